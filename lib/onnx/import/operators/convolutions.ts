/**
 * Convolutions.
 *
 * @module
 */
import { formatShape } from "../../../numbers/shape.ts";
import { convolve } from "../../../tensor/conv.ts";
import { pad } from "../../../tensor/movement.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { int, INTS } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRules } from "../node/operator_rule.ts";
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

/** Convolutions, plain and transposed. */
export const CONVOLUTIONS: OperatorRules = {
  Conv: {
    inputs: [2, 3],
    attributes: { ...WINDOW_ATTRIBUTES, group: int(1) },
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
    compute: convTranspose,
  },
};
