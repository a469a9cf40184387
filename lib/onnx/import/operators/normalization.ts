/**
 * Normalizing.
 *
 * @module
 */
import { BatchNorm1d } from "../../../nn/batch_norm1d.ts";
import { BatchNorm2d } from "../../../nn/batch_norm2d.ts";
import { GroupNorm } from "../../../nn/group_norm.ts";
import { InstanceNorm1d } from "../../../nn/instance_norm1d.ts";
import { InstanceNorm2d } from "../../../nn/instance_norm2d.ts";
import { LayerNorm } from "../../../nn/layer_norm.ts";
import { sameShape } from "../../../numbers/shape.ts";
import { Formula } from "../../../tensor/formula.ts";
import { pad, slice } from "../../../tensor/movement.ts";
import { batchNorm, groupNorm, layerNorm, rmsNorm } from "../../../tensor/normalize.ts";
import { abs, add, div, mul, rsqrt, sqrt, sub } from "../../../tensor/pointwise.ts";
import { mean, sum } from "../../../tensor/reduction.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { float, IGNORED, int, INTS } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  LayerParameter,
  OperatorCall,
  OperatorRules,
} from "../node/operator_rule.ts";
import { areRows, holding } from "./layers.ts";
import { axisOf } from "./reshaping.ts";

/** The mean and the mean square about it, of the dimensions given, which stay with size 1. */
function moments(x: Tensor, dims: number[]): { centre: Tensor; variance: Tensor } {
  const centre = mean(x, dims, { keepdim: true });
  const apart = sub(x, centre);
  return { centre, variance: mean(mul(apart, apart), dims, { keepdim: true }) };
}

/** A factor whose shape is that of the last dimensions, if it only lacks leading ones of size 1. */
function fitted(factor: Tensor | undefined, shape: readonly number[]): Tensor | null | undefined {
  if (!factor) return null;
  const own = factor.shape.slice(
    factor.shape.findIndex((size, i) => size !== 1 || factor.ndim - i <= shape.length),
  );
  return sameShape(own, shape) ? factor.reshape(own) : undefined;
}

function layerNormalization(call: OperatorCall): Tensor[] {
  const [x, scale, shift] = call.inputs as [Tensor, Tensor, Tensor?];
  const axis = axisOf(call.attributes.int("axis"), x.ndim);
  const shape = x.shape.slice(axis);
  const eps = call.attributes.float("epsilon");
  const [weight, bias] = [fitted(scale, shape), fitted(shift, shape)];
  let y: Tensor;
  if (weight !== undefined && bias !== undefined) y = layerNorm(x, shape, weight, bias, eps);
  else {
    y = mul(layerNorm(x, shape, null, null, eps), scale);
    if (shift) y = add(y, shift);
  }
  if (call.outputs === 1) return [y];
  const dims = shape.map((_, i) => axis + i);
  const { centre, variance } = moments(x, dims);
  return [y, centre, rsqrt(add(variance, eps))];
}

function rmsNormalization(call: OperatorCall): Tensor {
  const [x, scale] = [call.input(0), call.input(1)];
  const axis = axisOf(call.attributes.int("axis"), x.ndim);
  const shape = x.shape.slice(axis);
  const eps = call.attributes.float("epsilon");
  const weight = fitted(scale, shape);
  return weight ? rmsNorm(x, shape, weight, eps) : mul(rmsNorm(x, shape, null, eps), scale);
}

/** With the statistics of the node, or where it trains with those of the input. */
function batchNormalization(call: OperatorCall): Tensor[] {
  const [x, scale, shift, centre, variance] = call.inputs as Tensor[];
  const { attributes } = call;
  const eps = attributes.float("epsilon");
  if (!attributes.int("training_mode")) return [batchNorm(x, centre, variance, scale, shift, eps)];
  const dims = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const found = moments(x, dims);
  const [m, v] = [found.centre, found.variance].map((t) => t.reshape(centre.shape));
  const kept = attributes.float("momentum");
  const moved = (running: Tensor, seen: Tensor) => add(mul(running, kept), mul(seen, 1 - kept));
  return [batchNorm(x, m, v, scale, shift, eps), moved(centre, m), moved(variance, v)];
}

/** `x/‖x‖` along one dimension, with the sum of magnitudes or the length; 0 where that is 0. */
function lpNormalization(call: OperatorCall): Tensor {
  const x = call.input(0);
  const dim = axisOf(call.attributes.int("axis"), x.ndim);
  const norm = call.attributes.int("p") === 1
    ? sum(abs(x), dim, { keepdim: true })
    : sqrt(sum(mul(x, x), dim, { keepdim: true }));
  const f = new Formula("LpNormalization");
  const [value, by] = [f.read(x, "float"), f.read(norm, "float")];
  f.apply("select", f.apply("eq", by, 0), f.read(0, "float"), f.apply("div", value, by));
  return f.result(x.dtype);
}

function meanVariance(call: OperatorCall): Tensor {
  const x = call.input(0);
  const axes = call.attributes.ints("axes") ?? [0, 2, 3];
  const { centre, variance } = moments(x, axes.map((axis) => axisOf(axis, x.ndim)));
  return div(sub(x, centre), add(sqrt(variance), 1e-9));
}

/** `x/(bias + alpha/size·Σ x²)^beta`, the sum over neighbouring channels. */
function localResponse(call: OperatorCall): Tensor {
  const { attributes } = call;
  const x = call.input(0);
  const size = attributes.int("size");
  const before = Math.floor((size - 1) / 2);
  const after = size - 1 - before;
  const around = x.shape.slice(2).flatMap(() => [0, 0]);
  const squares = pad(mul(x, x), [...around, before, after]);
  const channels = x.shape[1];
  let total = slice(squares, 1, 0, channels);
  for (let i = 1; i < size; i++) total = add(total, slice(squares, 1, i, i + channels));
  const f = new Formula("LRN");
  const scaled = f.apply("mul", f.read(total, "float"), attributes.float("alpha") / size);
  const base = f.apply("add", scaled, attributes.float("bias"));
  f.apply("div", f.read(x, "float"), f.apply("pow", base, attributes.float("beta")));
  return f.result(x.dtype);
}

/** A factor and a summand a channel, as layers call them. */
const AFFINE: readonly LayerParameter[] = [
  { field: "weight", input: 1, form: "same" },
  { field: "bias", input: 2, form: "same" },
];

function channelsOf(node: LayerNode): number {
  return node.constantType(1)?.shape[0] ?? 0;
}

function batchNormLayer(node: LayerNode): Layer | undefined {
  const channels = channelsOf(node);
  const rank = node.rank(0);
  const type = rank === 4 ? BatchNorm2d : rank === 2 || rank === 3 ? BatchNorm1d : undefined;
  const { attributes } = node;
  if (!type || attributes.int("training_mode") || !areRows(node, [1, 2, 3, 4], channels)) {
    return undefined;
  }
  const module = new type(channels, { eps: attributes.float("epsilon"), device: "cpu" });
  module.num_batches_tracked?.dispose();
  module.num_batches_tracked = null;
  return holding(module, node, [
    ...AFFINE,
    { field: "running_mean", input: 3, form: "same" },
    { field: "running_var", input: 4, form: "same" },
  ]);
}

/** Over the last dimension, whose size the factors tell. */
function layerNormLayer(node: LayerNode): Layer | undefined {
  const size = channelsOf(node);
  const hasBias = Boolean(node.node.input[2]);
  const { attributes } = node;
  const last = attributes.int("axis") === -1 || attributes.int("axis") + 1 === node.rank(0);
  const alone = node.node.output.slice(1).every((name) => name === "");
  if (!last || !alone || size < 2 || !areRows(node, hasBias ? [1, 2] : [1], size)) return undefined;
  const eps = attributes.float("epsilon");
  const module = new LayerNorm(size, { eps, bias: hasBias, device: "cpu" });
  return holding(module, node, hasBias ? AFFINE : AFFINE.slice(0, 1));
}

function groupNormLayer(node: LayerNode): Layer | undefined {
  const channels = channelsOf(node);
  if (channels === 0 || !areRows(node, [1, 2], channels)) return undefined;
  const { attributes } = node;
  const eps = attributes.float("epsilon");
  const module = new GroupNorm(attributes.int("num_groups"), channels, { eps, device: "cpu" });
  return holding(module, node, AFFINE);
}

function instanceNormLayer(node: LayerNode): Layer | undefined {
  const channels = channelsOf(node);
  const rank = node.rank(0);
  const type = rank === 4 ? InstanceNorm2d : rank === 3 ? InstanceNorm1d : undefined;
  if (!type || channels === 0 || !areRows(node, [1, 2], channels)) return undefined;
  const eps = node.attributes.float("epsilon");
  return holding(new type(channels, { eps, affine: true, device: "cpu" }), node, AFFINE);
}

/** Normalizing. */
export const NORMALIZATION: OperatorRules = {
  BatchNormalization: {
    inputs: [5, 5],
    outputs: 3,
    attributes: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },
    layer: batchNormLayer,
    compute: batchNormalization,
  },
  LayerNormalization: {
    inputs: [2, 3],
    outputs: 3,
    attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: IGNORED },
    layer: layerNormLayer,
    compute: layerNormalization,
  },
  InstanceNormalization: {
    inputs: [3, 3],
    attributes: { epsilon: float(1e-5) },
    layer: instanceNormLayer,
    compute: (call) => {
      const x = call.input(0);
      const eps = call.attributes.float("epsilon");
      return groupNorm(x, x.shape[1], call.input(1), call.input(2), eps);
    },
  },
  GroupNormalization: {
    inputs: [3, 3],
    attributes: { epsilon: float(1e-5), num_groups: int(), stash_type: IGNORED },
    layer: groupNormLayer,
    compute: (call) => {
      const { attributes } = call;
      const [groups, eps] = [attributes.int("num_groups"), attributes.float("epsilon")];
      return groupNorm(call.input(0), groups, call.input(1), call.input(2), eps);
    },
  },
  RMSNormalization: {
    inputs: [2, 2],
    attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: IGNORED },
    compute: rmsNormalization,
  },
  LpNormalization: {
    inputs: [1, 1],
    attributes: { axis: int(-1), p: int(2, [1, 2]) },
    compute: lpNormalization,
  },
  MeanVarianceNormalization: { inputs: [1, 1], attributes: { axes: INTS }, compute: meanVariance },
  LRN: {
    inputs: [1, 1],
    attributes: { alpha: float(1e-4), beta: float(0.75), bias: float(1), size: int() },
    compute: localResponse,
  },
};
