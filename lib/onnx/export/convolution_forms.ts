/**
 * Convolutions in ONNX.
 *
 * @module
 */
import { Conv1d } from "../../nn/conv1d.ts";
import { Conv2d } from "../../nn/conv2d.ts";
import { Conv3d } from "../../nn/conv3d.ts";
import { ConvTranspose1d } from "../../nn/conv_transpose1d.ts";
import { ConvTranspose2d } from "../../nn/conv_transpose2d.ts";
import type { Convolution, PaddingMode } from "../../nn/convolution.ts";
import type { TransposedConvolution } from "../../nn/transposed_convolution.ts";
import { type Padding, windowPlaces } from "../../tensor/window.ts";
import { batched, entry, type Form, type FormEntry, parameter } from "./form.ts";
import { type Input, ints, type Node } from "./nodes.ts";

/** What a convolution's window does. */
export interface Window {
  readonly stride: number | readonly number[];
  readonly padding: Padding;
  readonly dilation: number | readonly number[];
  readonly groups: number;
}

/** The attributes of `Conv` for an input of these sizes. */
export function convAttributes(
  where: string,
  sizes: readonly number[],
  kernel: readonly number[],
  window: Window,
): Node["attributes"] {
  const { stride, before, after, dilation } = windowPlaces(where, sizes, kernel, window);
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: [...before, ...after] },
    dilations: { ints: dilation },
    group: window.groups,
  };
}

const PAD_MODES: Readonly<Record<Exclude<PaddingMode, "zeros">, string>> = {
  reflect: "reflect",
  replicate: "edge",
  circular: "wrap",
};

const convolution: Form<Convolution> = (nodes, layer, [x], use) => {
  const { weight, bias, kernelSize, paddingMode, stride, padding, dilation, groups } = layer;
  const rank = kernelSize.length + 2;
  return batched(nodes, x, use, rank, (x, shape) => {
    const sizes = shape.slice(2);
    let wide: Input = x;
    let around: Padding = padding;
    if (paddingMode !== "zeros") {
      const { before, after } = windowPlaces(use.where, sizes, kernelSize, layer);
      const pads = ints([0, 0, ...before, 0, 0, ...after]);
      wide = nodes.add("Pad", [x, pads], { mode: { s: PAD_MODES[paddingMode] } });
      around = 0;
    }
    const added = bias ? [parameter("bias", bias)] : [];
    const window = { stride, padding: around, dilation, groups };
    const attributes = convAttributes(use.where, sizes, kernelSize, window);
    return nodes.add("Conv", [wide, parameter("weight", weight), ...added], attributes);
  });
};

/** The attributes of `ConvTranspose`. */
export function transposedAttributes(
  kernel: readonly number[],
  window: Pick<
    TransposedConvolution,
    "stride" | "padding" | "outputPadding" | "dilation" | "groups"
  >,
): Node["attributes"] {
  const { stride, padding, outputPadding, dilation, groups } = window;
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: [...padding, ...padding] },
    output_padding: { ints: outputPadding },
    dilations: { ints: dilation },
    group: groups,
  };
}

const transposed: Form<TransposedConvolution> = (nodes, layer, [x], use) => {
  const { weight, bias, kernelSize } = layer;
  return batched(nodes, x, use, kernelSize.length + 2, (x) =>
    nodes.add("ConvTranspose", [
      x,
      parameter("weight", weight),
      ...bias ? [parameter("bias", bias)] : [],
    ], transposedAttributes(kernelSize, layer)));
};

/** Their forms. */
export const CONVOLUTION_FORMS: readonly FormEntry[] = [
  entry(Conv1d, convolution),
  entry(Conv2d, convolution),
  entry(Conv3d, convolution),
  entry(ConvTranspose1d, transposed),
  entry(ConvTranspose2d, transposed),
];
