/**
 * Where windows lie that slide over spatial dimensions: what convolutions and pools have in common.
 *
 * @module
 */
import { type AttributeSpecs, INTS, type NodeAttributes, text } from "../node/node_attributes.ts";

/** The attributes of every operator whose windows slide. */
export const WINDOW_ATTRIBUTES: AttributeSpecs = {
  auto_pad: text("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
  dilations: INTS,
  kernel_shape: INTS,
  pads: INTS,
  strides: INTS,
};

/** Before and after the input, a dimension. */
export type Pads = [before: number, after: number][];

/** Steps, dilations and what stands around the input, one a spatial dimension. */
export interface Windows {
  readonly stride: number[];
  readonly dilation: number[];
  readonly padding: Pads;
}

/** Steps and dilations as a node has them. */
export function stepsOf(
  attributes: NodeAttributes,
  rank: number,
): { stride: number[]; dilation: number[] } {
  const ones = Array.from({ length: rank }, () => 1);
  return {
    stride: attributes.ints("strides") ?? ones,
    dilation: attributes.ints("dilations") ?? ones,
  };
}

/** The pads that a node states, which come as all befores, then all afters. */
export function statedPads(attributes: NodeAttributes, rank: number): Pads {
  const pads = attributes.text("auto_pad") === "NOTSET" ? attributes.ints("pads") : undefined;
  return Array.from({ length: rank }, (_, d) => [pads?.[d] ?? 0, pads?.[d + rank] ?? 0]);
}

/** Whether the pads depend on the size of the input. */
export function padsBySize(attributes: NodeAttributes): boolean {
  return attributes.text("auto_pad").startsWith("SAME");
}

/** `total` split into two, what is left over at the end, or for `SAME_LOWER` at the beginning. */
export function halved(total: number, attributes: NodeAttributes): [number, number] {
  const less = Math.floor(total / 2);
  return attributes.text("auto_pad") === "SAME_LOWER" ? [total - less, less] : [less, total - less];
}

/** The windows of a node over an input of a size. */
export function windowsOf(
  attributes: NodeAttributes,
  input: readonly number[],
  kernel: readonly number[],
): Windows {
  const rank = kernel.length;
  const { stride, dilation } = stepsOf(attributes, rank);
  if (!padsBySize(attributes)) {
    return { stride, dilation, padding: statedPads(attributes, rank) };
  }
  const padding = input.map((size, d): [number, number] => {
    const span = (kernel[d] - 1) * dilation[d] + 1;
    const output = Math.ceil(size / stride[d]);
    return halved(Math.max((output - 1) * stride[d] + span - size, 0), attributes);
  });
  return { stride, dilation, padding };
}
