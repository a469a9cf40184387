/**
 * Convolutions.
 *
 * @module
 */
import { Conv1d } from "../../../nn/conv1d.ts";
import { Conv2d } from "../../../nn/conv2d.ts";
import { Conv3d } from "../../../nn/conv3d.ts";
import { ConvTranspose1d } from "../../../nn/conv_transpose1d.ts";
import { ConvTranspose2d } from "../../../nn/conv_transpose2d.ts";
import { formatShape } from "../../../numbers/shape.ts";
import { convolve } from "../../../tensor/conv.ts";
import { pad } from "../../../tensor/movement.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { int, INTS } from "../node/node_attributes.ts";
import type {
  Layer,
  LayerNode,
  LayerParameter,
  OperatorCall,
  OperatorRules,
} from "../node/operator_rule.ts";
import { areRows } from "./layers.ts";
import {
  halved,
  padsBySize,
  statedPads,
  stepsOf,
  WINDOW_ATTRIBUTES,
  windowsOf,
} from "./windows.ts";

/** Spatial dimensions that convolutions have here. */
const MOST_SPATIAL = 3;

/** The spatial dimensions of an input. */
function spatialOf(x: Tensor): number {
  const rank = x.ndim - 2;
  if (rank >= 1 && rank <= MOST_SPATIAL) return rank;
  throw new RangeError(
    `it is computed over 1 to ${MOST_SPATIAL} spatial dimensions, got an input of shape ${
      formatShape(x.shape)
    }`,
  );
}

function conv(call: OperatorCall): Tensor {
  const { attributes } = call;
  const [x, weight] = [call.input(0), call.input(1)];
  const { stride, dilation, padding } = windowsOf(
    attributes,
    x.shape.slice(2),
    weight.shape.slice(2),
  );
  const options = { stride, dilation, padding, groups: attributes.int("group") };
  const bias = call.inputs[2] ?? null;
  return convolve({
    where: "Conv",
    rank: spatialOf(x),
    x,
    weight,
    bias,
    transposed: false,
    options,
  });
}

/** How much a transposed convolution is longer at its end, and what is cut off around it. */
function transposedSizes(call: OperatorCall, kernel: readonly number[]) {
  const { attributes } = call;
  const input = call.input(0).shape.slice(2);
  const rank = input.length;
  const { stride, dilation } = stepsOf(attributes, rank);
  const outputPadding = attributes.ints("output_padding") ?? input.map(() => 0);
  const same = padsBySize(attributes);
  const wanted = attributes.ints("output_shape")?.slice(-rank) ??
    (same ? input.map((size, d) => size * stride[d]) : undefined);
  const whole = input.map((size, d) =>
    stride[d] * (size - 1) + outputPadding[d] + (kernel[d] - 1) * dilation[d] + 1
  );
  const padding = wanted
    ? whole.map((size, d) => halvedForShape(size - wanted[d], attributes))
    : statedPads(attributes, rank);
  return { stride, dilation, outputPadding, padding };
}

/** Without SAME_UPPER what is left over is cut off at the beginning. */
function halvedForShape(total: number, attributes: OperatorCall["attributes"]): [number, number] {
  if (padsBySize(attributes)) return halved(total, attributes);
  const less = Math.floor(total / 2);
  return [total - less, less];
}

function convTranspose(call: OperatorCall): Tensor {
  const { attributes } = call;
  const [x, weight] = [call.input(0), call.input(1)];
  const { padding, ...sizes } = transposedSizes(call, weight.shape.slice(2));
  const cut = padding.map((pair) => pair.map((size) => Math.max(size, 0)) as [number, number]);
  const options = { ...sizes, padding: cut, groups: attributes.int("group") };
  const bias = call.inputs[2] ?? null;
  const where = "ConvTranspose";
  const y = convolve({ where, rank: spatialOf(x), x, weight, bias, transposed: true, options });
  if (padding.flat().every((size) => size >= 0)) return y;
  // A shape that was asked for may be larger than all that is written.
  if (bias) throw new RangeError("its output_shape is larger than what it computes");
  return pad(y, padding.map((pair) => pair.map((size) => Math.max(-size, 0))).reverse().flat());
}

/** What layers of convolutions have in common: a constant weight, and pads that are the same on both sides. */
function layerFacts(node: LayerNode) {
  const { attributes } = node;
  const type = node.constantType(1);
  const rank = (type?.shape.length ?? 0) - 2;
  if (!type?.dtype.isFloat || rank < 1 || padsBySize(attributes)) return undefined;
  const pads = statedPads(attributes, rank);
  const groups = attributes.int("group");
  const transposed = node.node.opType === "ConvTranspose";
  const outChannels = transposed ? type.shape[1] * groups : type.shape[0];
  const hasBias = Boolean(node.node.input[2]);
  const fits = pads.every(([before, after]) => before === after) &&
    (!hasBias || areRows(node, [2], outChannels));
  if (!fits) return undefined;
  const padding = pads.map(([before]) => before);
  const { stride, dilation } = stepsOf(attributes, rank);
  const weight = node.weight(1);
  const bias = hasBias ? node.weight(2) : null;
  return {
    rank,
    inChannels: transposed ? type.shape[0] : type.shape[1] * groups,
    outChannels,
    kernel: type.shape.slice(2),
    options: { stride, dilation, padding, groups, weight, bias },
    parameters: [
      { field: "weight", input: 1, form: "same" },
      ...hasBias ? [{ field: "bias", input: 2, form: "same" } as const] : [],
    ] as LayerParameter[],
  };
}

const LAYERS = new Map([[1, Conv1d], [2, Conv2d], [3, Conv3d]]);
const TRANSPOSED_LAYERS = new Map([[1, ConvTranspose1d], [2, ConvTranspose2d]]);

function convLayer(node: LayerNode): Layer | undefined {
  const facts = layerFacts(node);
  const type = facts && LAYERS.get(facts.rank);
  if (!type) return undefined;
  const { inChannels, outChannels, kernel, options, parameters } = facts;
  return { module: new type(inChannels, outChannels, kernel, options), inputs: [0], parameters };
}

function convTransposeLayer(node: LayerNode): Layer | undefined {
  const { attributes } = node;
  const facts = attributes.has("output_shape") ? undefined : layerFacts(node);
  const type = facts && TRANSPOSED_LAYERS.get(facts.rank);
  if (!type) return undefined;
  const { inChannels, outChannels, kernel, options, parameters } = facts;
  const outputPadding = attributes.ints("output_padding") ?? 0;
  const module = new type(inChannels, outChannels, kernel, { ...options, outputPadding });
  return { module, inputs: [0], parameters };
}

/** Convolutions, plain and transposed. */
export const CONVOLUTIONS: OperatorRules = {
  Conv: {
    inputs: [2, 3],
    attributes: { ...WINDOW_ATTRIBUTES, group: int(1) },
    layer: convLayer,
    compute: conv,
  },
  ConvTranspose: {
    inputs: [2, 3],
    attributes: {
      ...WINDOW_ATTRIBUTES,
      group: int(1),
      output_padding: INTS,
      output_shape: INTS,
    },
    layer: convTransposeLayer,
    compute: convTranspose,
  },
};
