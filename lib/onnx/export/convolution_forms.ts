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
import {
  type ConvGeometry,
  type ConvTransposeGeometry,
  isTransposed,
  QuantizedConvolution,
} from "../../quantization/layers/quantized_convolution.ts";
import { windowPlaces } from "../../tensor/window.ts";
import { batched, entry, type Form, type FormEntry, parameter } from "./form.ts";
import { type Input, ints, type Node, type Nodes } from "./nodes.ts";

const PAD_MODES: Readonly<Record<Exclude<PaddingMode, "zeros">, string>> = {
  reflect: "reflect",
  replicate: "edge",
  circular: "wrap",
};

/** The attributes that `Conv` and `ConvTranspose` have in common. */
function attributesOf(
  kernel: readonly number[],
  { stride, dilation, groups }: ConvGeometry | ConvTransposeGeometry,
  pads: readonly number[],
): Node["attributes"] {
  return {
    kernel_shape: { ints: kernel },
    strides: { ints: stride },
    pads: { ints: pads },
    dilations: { ints: dilation },
    group: groups,
  };
}

/** Adds a padding of other numbers than zeros. */
function addPadding(
  nodes: Nodes,
  x: Input,
  mode: Exclude<PaddingMode, "zeros">,
  { before, after }: { readonly before: readonly number[]; readonly after: readonly number[] },
): Input {
  const pads = ints([0, 0, ...before, 0, 0, ...after]);
  return nodes.add("Pad", [x, pads], { mode: { s: PAD_MODES[mode] } });
}

/**
 * Adds a convolution, plain or transposed, of an input (N, C, …).
 *
 * @param where opens the errors.
 * @param inputs the input, and of a float layer weight and bias.
 * @param sizes the input's spatial sizes.
 * @param layer which it is; a quantized one gives weight and bias itself.
 */
export function addConvolution(
  nodes: Nodes,
  where: string,
  [x, ...parameters]: readonly Input[],
  sizes: readonly number[],
  layer: Convolution | TransposedConvolution | QuantizedConvolution,
): Input {
  const { kernelSize: kernel } = layer;
  const quantized = layer instanceof QuantizedConvolution ? layer : undefined;
  const geometry = layer instanceof QuantizedConvolution ? layer.geometry : layer;
  if (isTransposed(geometry)) {
    const { padding, outputPadding } = geometry;
    const attributes = attributesOf(kernel, geometry, [...padding, ...padding]);
    const more = { output_padding: { ints: outputPadding } };
    return nodes.add("ConvTranspose", [x, ...parameters], { ...attributes, ...more }, quantized);
  }
  const { paddingMode } = geometry;
  const places = windowPlaces(where, sizes, kernel, geometry);
  const pads = [...places.before, ...places.after];
  const plain = paddingMode === "zeros";
  const wide = plain ? x : addPadding(nodes, x, paddingMode, places);
  const attributes = attributesOf(kernel, geometry, plain ? pads : pads.map(() => 0));
  return nodes.add("Conv", [wide, ...parameters], attributes, quantized);
}

const convolution: Form<Convolution | TransposedConvolution> = (nodes, layer, [x], use) => {
  const { weight, bias, kernelSize } = layer;
  const parameters = [parameter("weight", weight), ...bias ? [parameter("bias", bias)] : []];
  return batched(
    nodes,
    x,
    use,
    kernelSize.length + 2,
    (x, shape) => addConvolution(nodes, use.where, [x, ...parameters], shape.slice(2), layer),
  );
};

/** Their forms. */
export const CONVOLUTION_FORMS: readonly FormEntry[] = [
  entry(Conv1d, convolution),
  entry(Conv2d, convolution),
  entry(Conv3d, convolution),
  entry(ConvTranspose1d, convolution),
  entry(ConvTranspose2d, convolution),
];
