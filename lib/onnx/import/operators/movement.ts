/**
 * Operators that put elements elsewhere.
 *
 * @module
 */
import { int32 } from "../../../numbers/dtype.ts";
import { Cat } from "../../../nn/cat.ts";
import { Embedding } from "../../../nn/embedding.ts";
import { broadcastShapes } from "../../../tensor/formula.ts";
import * as move from "../../../tensor/movement.ts";
import { eq, logicalOr, sub, where } from "../../../tensor/pointwise.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { hostTensor } from "../node/host_values.ts";
import { int, INTS, text } from "../node/node_attributes.ts";
import type { Layer, LayerNode, OperatorCall, OperatorRules } from "../node/operator_rule.ts";
import { layerOfAll } from "./layers.ts";
import { axisOf } from "./reshaping.ts";

function transpose(call: OperatorCall): Tensor {
  const x = call.input(0);
  const reversed = x.shape.map((_, i) => x.ndim - 1 - i);
  return move.permute(x, call.attributes.ints("perm") ?? reversed);
}

function expand(call: OperatorCall): Tensor {
  const x = call.input(0);
  const shape = broadcastShapes("Expand", x.shape, call.someNumbers(1));
  call.checkGrowth(shape);
  return move.expand(x, shape);
}

function tile(call: OperatorCall): Tensor {
  const x = call.input(0);
  const repeats = call.someNumbers(1);
  call.checkGrowth(x.shape.map((size, i) => size * repeats[i]));
  return move.tile(x, repeats);
}

function split(call: OperatorCall): Tensor[] {
  const x = call.input(0);
  const axis = axisOf(call.attributes.int("axis"), x.ndim);
  const size = x.shape[axis];
  const parts = call.attributes.optionalInt("num_outputs") ?? call.outputs;
  const each = Math.ceil(size / parts);
  const equal = Array.from(
    { length: parts },
    (_, i) => Math.max(Math.min(each, size - i * each), 0),
  );
  return move.split(x, call.numbers(1) ?? equal, axis);
}

function slice(call: OperatorCall): Tensor {
  let x = call.input(0);
  const [starts, ends] = [call.someNumbers(1), call.someNumbers(2)];
  const axes = call.numbers(3) ?? starts.map((_, i) => i);
  const steps = call.numbers(4) ?? starts.map(() => 1);
  axes.forEach((axis, i) => {
    x = move.slice(x, axis, starts[i], ends[i], steps[i]);
  });
  return x;
}

/** Rows of a constant table are an embedding. */
function embedding(node: LayerNode): Layer | undefined {
  const table = node.constantType(0);
  const isTable = table?.shape.length === 2 && table.dtype.isFloat && table.shape[0] > 0;
  if (!isTable || node.attributes.int("axis") !== 0 || node.constantType(1)) return undefined;
  const weight = node.weight(0);
  return {
    module: new Embedding(weight.shape[0], weight.shape[1], { weight }),
    inputs: [1],
    parameters: [{ field: "weight", input: 0, form: "same" }],
  };
}

const PAD_MODES = {
  constant: "constant",
  reflect: "reflect",
  edge: "replicate",
  wrap: "circular",
} as const;

/** Pads come as all that is put before dimensions, then all that is put after them. */
function pad(call: OperatorCall): Tensor {
  const x = call.input(0);
  const pads = call.someNumbers(1);
  const axes = call.numbers(3)?.map((axis) => axisOf(axis, x.ndim)) ?? x.shape.map((_, i) => i);
  const pairs = x.shape.map((): [number, number] => [0, 0]);
  axes.forEach((axis, i) => pairs[axis] = [pads[i], pads[i + axes.length]]);
  call.checkGrowth(x.shape.map((size, i) => size + pairs[i][0] + pairs[i][1]));
  const mode = PAD_MODES[call.attributes.text("mode") as keyof typeof PAD_MODES];
  return move.pad(x, pairs.reverse().flat(), { mode, value: call.number(2) ?? 0 });
}

/** Where a new last or other dimension counts what the indices say, the second value, else the first. */
function oneHot(call: OperatorCall): Tensor {
  const [index, values] = [call.input(0), call.input(2)];
  const depth = call.number(1)!;
  const rank = index.ndim + 1;
  const axis = axisOf(call.attributes.int("axis"), rank);
  call.checkGrowth([index.numel, depth]);
  const counted = hostTensor(
    Array.from({ length: depth }, (_, i) => i),
    Array.from({ length: rank - axis }, (_, i) => i === 0 ? depth : 1),
  );
  const wide = move.unsqueeze(index.dtype.isFloat ? index.to(int32) : index, axis);
  const places = call.onto(index, counted);
  // An index from the end is one that is less by the depth.
  const found = logicalOr(eq(wide, places), eq(wide, sub(places, depth)));
  const [off, on] = [0, 1].map((i) => move.slice(values, 0, i, i + 1).reshape([]));
  return where(found, on, off);
}

/** Blocks of a plane become channels. */
function spaceToDepth(call: OperatorCall): Tensor {
  const x = call.input(0);
  const [n, c, h, w] = x.shape;
  const b = call.attributes.int("blocksize");
  const apart = x.reshape(n, c, h / b, b, w / b, b);
  const blocksFirst = call.attributes.text("mode") === "DCR";
  const order = blocksFirst ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4];
  return move.permute(apart, order).reshape(n, b * b * c, h / b, w / b);
}

/** Channels become blocks of a plane. */
function depthToSpace(call: OperatorCall): Tensor {
  const x = call.input(0);
  const [n, c, h, w] = x.shape;
  const b = call.attributes.int("blocksize");
  const blocksFirst = call.attributes.text("mode") === "DCR";
  const depth = c / (b * b);
  const apart = blocksFirst ? x.reshape(n, b, b, depth, h, w) : x.reshape(n, depth, b, b, h, w);
  const order = blocksFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return move.permute(apart, order).reshape(n, depth, h * b, w * b);
}

/** Operators that put elements elsewhere. */
export const MOVEMENT: OperatorRules = {
  Transpose: { inputs: [1, 1], attributes: { perm: INTS }, compute: transpose },
  Expand: { inputs: [2, 2], host: [1], grows: true, compute: expand },
  Tile: { inputs: [2, 2], host: [1], grows: true, compute: tile },
  Concat: {
    inputs: [1, Infinity],
    attributes: { axis: int() },
    layer: (node) => layerOfAll(node, () => new Cat(node.attributes.int("axis"))),
    compute: (call) => {
      const all = call.inputs as readonly Tensor[];
      return move.cat(all, axisOf(call.attributes.int("axis"), all[0].ndim));
    },
  },
  Split: {
    inputs: [1, 2],
    outputs: Infinity,
    host: [1],
    attributes: { axis: int(0), num_outputs: int() },
    compute: split,
  },
  Slice: { inputs: [3, 5], host: [1, 2, 3, 4], compute: slice },
  Gather: {
    inputs: [2, 2],
    attributes: { axis: int(0) },
    layer: embedding,
    compute: (call) => move.indexSelect(call.input(0), call.attributes.int("axis"), call.input(1)),
  },
  GatherElements: {
    inputs: [2, 2],
    attributes: { axis: int(0) },
    compute: (call) => move.gather(call.input(0), call.attributes.int("axis"), call.input(1)),
  },
  GatherND: {
    inputs: [2, 2],
    attributes: { batch_dims: int(0) },
    compute: (call) =>
      move.gatherNd(call.input(0), call.input(1), call.attributes.int("batch_dims")),
  },
  Pad: {
    inputs: [2, 4],
    host: [1, 2, 3],
    grows: true,
    attributes: { mode: text("constant", "constant", "reflect", "edge", "wrap") },
    compute: pad,
  },
  OneHot: {
    inputs: [3, 3],
    host: [1],
    grows: true,
    attributes: { axis: int(-1) },
    compute: oneHot,
  },
  SpaceToDepth: {
    inputs: [1, 1],
    attributes: { blocksize: int(), mode: text("DCR", "DCR", "CRD") },
    compute: spaceToDepth,
  },
  DepthToSpace: {
    inputs: [1, 1],
    attributes: { blocksize: int(), mode: text("DCR", "DCR", "CRD") },
    compute: depthToSpace,
  },
};
