/**
 * What quantized layers look like, whatever their class.
 *
 * @module
 */
import type { Module } from "../nn/module.ts";
import type { LayerParts } from "../quantization/layers/layer_kinds.ts";
import { QuantizedConvolution } from "../quantization/layers/quantized_convolution.ts";
import { type InputQuantizer, inputTensors } from "../quantization/tensors/input_quantizer.ts";
import { numelOf } from "../numbers/shape.ts";
import { bundleOf, type DisplayBundle } from "../plot/bundle.ts";
import { bytesOf } from "../quantization/analysis/layers.ts";
import { formatBytes, formatNumber, formatSizes, formatSpread } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

/** How many scales an input has, in words, for each kind of quantization. */
const SCALES = { static: "1", dynamic: "1 a row", custom: "by a function" } as const;

/** How many scales an input has, in words. */
function scalesOf(input: InputQuantizer): string {
  if (input.kind === "dynamic" && input.perTensor) return "1 an input";
  return input.kind === "static" && input.scale.numel > 1 ? "1 a row" : SCALES[input.kind];
}

/** Input and weight with scales and zero points, and bytes before and after. Waits for them. */
export async function displayQuantizedLayer(
  layer: Module,
  { weight, input, bias }: LayerParts,
): Promise<DisplayBundle> {
  const title = inspectQuantizedLayer(layer, { weight, input, bias });
  const { inputScale, inputZeroPoint } = input ? inputTensors(input) : {};
  const tensors = [inputScale, inputZeroPoint, weight.scale, weight.zeroPoint];
  if (tensors.some((t) => t?.disposed)) {
    return bundleOf(new Table([], { title, note: "Its tensors were disposed." }));
  }
  const [s, z, weightScale, weightZeroPoint] = await Promise.all(tensors.map((t) => t?.data()));
  const number = (values: ArrayLike<number> | undefined) => values ? formatSpread(values) : "none";
  const rows = [
    {
      part: "input",
      shape: ["…", channelsOf(layer, weight), ...weight.shape.slice(2).map(() => "…")].join(" × "),
      dtype: inputDtype(input) || weight.dtype.name,
      scales: input ? scalesOf(input) : "none",
    },
    {
      part: "weight",
      shape: formatSizes(weight.shape),
      dtype: weight.targetDtype.name,
      scales: formatNumber(weight.scale.numel),
    },
  ].map((row, i) => ({
    ...row,
    scale: number(i ? weightScale : s),
    "zero point": number(i ? weightZeroPoint : z),
  }));
  const biasBytes = bias?.nbytes ?? 0;
  const before = numelOf(weight.shape) * weight.dtype.itemSize + biasBytes;
  const note = `${formatBytes(before)} as ${weight.dtype.name}, ${
    formatBytes(bytesOf(layer))
  } as ${weight.targetDtype.name} with scales, zero points and row sums`;
  return bundleOf(new Table(rows, { title, note }));
}

/** How many channels a layer takes; the weight of a convolution in groups tells only those of one. */
function channelsOf(layer: Module, { shape }: LayerParts["weight"]): number {
  return layer instanceof QuantizedConvolution ? layer.inChannels : shape[1];
}

/** The dtype that an input is quantized to; empty where it stays float or nothing is known. */
function inputDtype(input: InputQuantizer | null): string {
  return input && input.kind !== "custom" ? input.targetDtype.name : "";
}

/** Sizes and dtypes, without waiting. */
export function inspectQuantizedLayer(
  layer: Module,
  { weight, input, bias }: LayerParts,
): string {
  return `${layer.constructor.name}(${channelsOf(layer, weight)} → ${weight.shape[0]}, input ${
    inputDtype(input) || (input ? "by a function" : weight.dtype.name)
  }, weight ${weight.targetDtype.name}, ${bias ? "with" : "no"} bias, ${weight.device})`;
}
