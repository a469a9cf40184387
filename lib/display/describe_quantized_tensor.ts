/**
 * What quantized tensors look like.
 *
 * @module
 */
import { inputName } from "../quantization/tensors/input_quantizer.ts";
import type { LinearActivationQuantizedTensor } from "../quantization/tensors/linear_activation_quantized_tensor.ts";
import type { AffineQuantizedTensor } from "../quantization/tensors/quantized_tensor.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DisplayBundle } from "../plot/bundle.ts";
import { caption, elements } from "./describe_tensor.ts";
import { formatBytes, formatSizes } from "../plot/format.ts";
import { escape } from "../plot/markup.ts";
import { summarize } from "../plot/summary.ts";

/** The integers, the scales and the zero points. Waits for them. */
export async function displayQuantizedTensor(q: AffineQuantizedTensor): Promise<DisplayBundle> {
  const title = `AffineQuantizedTensor ${formatSizes(q.shape)} · ${q.targetDtype.name} for ` +
    `${q.dtype.name} · blocks of ${formatSizes(q.blockSize)}`;
  if (Object.values(q.tensors()).some((t) => t.disposed)) {
    return {
      "text/html": caption(`${title} · disposed`),
      "text/plain": `${q} (disposed)`,
    };
  }
  using integers = q.intData();
  const parts: [string, Tensor][] = [
    ["int_data", integers],
    ["scale", q.scale],
    ...(q.zeroPoint ? [["zero_point", q.zeroPoint] as [string, Tensor]] : []),
  ];
  const read = await Promise.all(
    parts.map(async ([name, t]) => ({ name, t, data: await t.data() })),
  );
  const text = read.map(({ name, t, data }) =>
    `  ${name}=${summarize(data, t.shape, t.dtype.isFloat, name.length + 3)}`
  );
  const html = read.map(({ name, t, data }) =>
    `<div style="margin:6px 0 2px">${
      escape(`${name} · ${formatSizes(t.shape)} · ${t.dtype.name}`)
    }</div>` +
    elements(data, t.shape, t.dtype.isFloat)
  );
  const facts = `block_size=[${q.blockSize.join(", ")}], shape=[${
    q.shape.join(", ")
  }], dtype=${q.dtype.name}, device=${q.device}`;
  return {
    "text/html": caption(`${title} · ${q.device} · ${formatBytes(q.nbytes)}`) + html.join(""),
    "text/plain": `AffineQuantizedTensor(\n${text.join(",\n")},\n  ${facts})`,
  };
}

/** The weight, and that it quantizes its input. */
export async function displayActivationQuantized(
  q: LinearActivationQuantizedTensor,
): Promise<DisplayBundle> {
  const weight = await displayQuantizedTensor(q.originalWeight);
  const how = inputName(q.inputQuantizer);
  return {
    "text/html": caption(`LinearActivationQuantizedTensor: inputs pass ${how} first`) +
      weight["text/html"],
    "text/plain": `LinearActivationQuantizedTensor(activation=${how}, weight=${
      weight["text/plain"]
    })`,
  };
}
