/**
 * What integer layers look like.
 *
 * @module
 */
import type { QuantizedLinear } from "../quantization/layers/quantized_linear.ts";
import type { DisplayBundle } from "../plot/bundle.ts";
import { moduleBytes } from "./describe_module.ts";
import { formatBytes, formatNumber, formatSizes, formatSpread } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

/** Input and weight with scales and zero points, and bytes before and after. Waits for them. */
export async function displayQuantizedLinear(layer: QuantizedLinear): Promise<DisplayBundle> {
  const { actScale, actZeroPoint, qweight, targetDtype, bias } = layer;
  const title = inspectQuantizedLinear(layer);
  const tensors = [actScale, actZeroPoint, qweight.scale, qweight.zeroPoint];
  if (tensors.some((t) => t?.disposed)) {
    return bundle(new Table([], { title, note: "Its tensors were disposed." }));
  }
  const [s, z, weightScale, weightZeroPoint] = await Promise.all(tensors.map((t) => t?.data()));
  const number = (values: ArrayLike<number> | undefined) => values ? formatSpread(values) : "none";
  const rows = [
    { part: "input", shape: `… × ${layer.inFeatures}`, dtype: targetDtype.name, scales: "1" },
    {
      part: "weight",
      shape: formatSizes(qweight.shape),
      dtype: qweight.targetDtype.name,
      scales: formatNumber(qweight.scale.numel),
    },
  ].map((row, i) => ({
    ...row,
    scale: number(i ? weightScale : s),
    "zero point": number(i ? weightZeroPoint : z),
  }));
  const biasBytes = bias?.nbytes ?? 0;
  const before = qweight.shape[0] * qweight.shape[1] * qweight.dtype.itemSize + biasBytes;
  const note = `${formatBytes(before)} as ${qweight.dtype.name}, ${
    formatBytes(moduleBytes(layer))
  } as ${qweight.targetDtype.name} with scales, zero points and row sums`;
  return bundle(new Table(rows, { title, note }));
}

function bundle(table: Table): DisplayBundle {
  return { "text/html": table.html, "text/plain": table.toString() };
}

/** Sizes and dtypes, without waiting. */
export function inspectQuantizedLinear(layer: QuantizedLinear): string {
  const { inFeatures, outFeatures, bias, targetDtype, qweight } = layer;
  return `QuantizedLinear(${inFeatures} → ${outFeatures}, input ${targetDtype.name}, weight ${qweight.targetDtype.name}, ${
    bias ? "with" : "no"
  } bias, ${qweight.device})`;
}
