/**
 * A tensor's elements the way PyTorch prints them: in brackets, aligned, the middle of long
 * dimensions left out.
 *
 * @module
 */
import { numelOf } from "../numbers/shape.ts";

/** Longer dimensions show this many elements at either end. */
const EDGE = 3;
const GAP = "…";

/** The indices of a dimension that are shown; `undefined` stands for what is left out. */
export function shownIndices(size: number): (number | undefined)[] {
  const all = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  return size <= 2 * EDGE ? all(0, size) : [...all(0, EDGE), undefined, ...all(size - EDGE, size)];
}

/** Formats numbers alike, so that they align: all with the same decimals or all with an exponent. */
export function alignedFormat(values: readonly number[], isFloat: boolean): (x: number) => string {
  const special = (x: number) => Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  if (!isFloat) return String;
  const finite = values.filter(Number.isFinite);
  if (finite.every(Number.isInteger) && finite.every((x) => Math.abs(x) < 1e8)) {
    return (x) => Number.isFinite(x) ? `${x}.` : special(x);
  }
  const sizes = finite.map(Math.abs).filter((x) => x > 0);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const exponent = most >= 1e8 || least < 1e-4 || most / least > 1000 && most > 1000;
  return (x) => Number.isFinite(x) ? exponent ? x.toExponential(4) : x.toFixed(4) : special(x);
}

/** The elements that are shown, in order. */
function shownValues(data: ArrayLike<number>, shape: readonly number[]): number[] {
  if (shape.length === 0) return [data[0]];
  const stride = numelOf(shape.slice(1));
  return shownIndices(shape[0]).flatMap((i) => {
    if (i === undefined) return [];
    const part = Array.prototype.slice.call(data, i * stride, (i + 1) * stride);
    return shownValues(part, shape.slice(1));
  });
}

/** Elements in nested brackets; `indent` is the column at which the first bracket stands. */
export function summarize(
  data: ArrayLike<number>,
  shape: readonly number[],
  isFloat: boolean,
  indent = 0,
): string {
  if (numelOf(shape) === 0) return "[]";
  const shown = shownValues(data, shape);
  const format = alignedFormat(shown, isFloat);
  const width = Math.max(...shown.map((x) => format(x).length));
  const nested = (offset: number, sizes: readonly number[], column: number): string => {
    if (sizes.length === 0) return format(data[offset]).padStart(width);
    const stride = numelOf(sizes.slice(1));
    const items = shownIndices(sizes[0]).map((i) =>
      i === undefined ? GAP : nested(offset + i * stride, sizes.slice(1), column + 1)
    );
    const lineEnd = "\n".repeat(sizes.length - 1) + " ".repeat(column + 1);
    return `[${items.join(sizes.length === 1 ? ", " : `,${lineEnd}`)}]`;
  };
  return nested(0, shape, indent);
}

/** A vector's or a matrix's elements as rows of text, for a table. */
export function summarizeCells(
  data: ArrayLike<number>,
  shape: readonly number[],
  isFloat: boolean,
): string[][] {
  const [rows, columns] = shape.length === 2 ? shape : [1, numelOf(shape)];
  const format = alignedFormat(shownValues(data, [rows, columns]), isFloat);
  const at = (i: number | undefined, j: number | undefined) =>
    i === undefined ? j === undefined ? "⋱" : "⋮" : j === undefined ? GAP : format(
      data[i * columns + j],
    );
  return shownIndices(rows).map((i) => shownIndices(columns).map((j) => at(i, j)));
}
