/**
 * What a tensor looks like.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { DisplayBundle } from "../plot/bundle.ts";
import { formatBytes, formatSizes } from "../plot/format.ts";
import { escape } from "../plot/markup.ts";
import { summarize, summarizeCells } from "../plot/summary.ts";

/** Shape, dtype, device and the elements. Waits for them, unless the tensor was disposed. */
export async function displayTensor(t: Tensor): Promise<DisplayBundle> {
  const facts = [formatSizes(t.shape), t.dtype.name, t.disposed ? "disposed" : t.device];
  const title = `Tensor ${facts.join(" · ")}`;
  if (t.disposed) return { "text/html": caption(title), "text/plain": String(t) };
  const data = await t.data();
  const values = summarize(data, t.shape, t.dtype.isFloat, "tensor(".length);
  const rest = `shape=[${t.shape.join(", ")}], dtype=${t.dtype.name}, device=${t.device}`;
  return {
    "text/html": caption(`${title} · ${formatBytes(t.nbytes)}`) +
      elements(data, t.shape, t.dtype.isFloat),
    "text/plain": `tensor(${values}, ${values.includes("\n") ? "\n       " : ""}${rest})`,
  };
}

/** A line above the elements. */
export function caption(text: string): string {
  return `<div style="margin:4px 0;font-weight:600">${escape(text)}</div>`;
}

/** Elements as HTML: a table for a vector or a matrix, else text. */
export function elements(
  data: ArrayLike<number>,
  shape: readonly number[],
  isFloat: boolean,
): string {
  if (data.length === 0 || shape.length > 2) {
    return `<pre>${escape(summarize(data, shape, isFloat))}</pre>`;
  }
  const rows = summarizeCells(data, shape, isFloat).map((row) =>
    `<tr>${
      row.map((text) => `<td style="text-align:right;padding:1px 6px">${escape(text)}</td>`).join(
        "",
      )
    }</tr>`
  );
  return `<table style="margin:0;font-family:monospace"><tbody>${rows.join("")}</tbody></table>`;
}
