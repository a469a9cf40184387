/**
 * Constants that a model makes anew in each run, for any of the open sizes: the same along a size, or the beginning
 * of a table.
 *
 * @module
 */
import { contiguousStrides } from "../../backend/strides.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { TensorElements } from "../file/tensor_data.ts";
import type { OpenName, Size } from "./size.ts";

/** A constant as a run made it. */
export interface Made {
  readonly elements: TensorElements;
  readonly shape: readonly number[];
}

/** What a constant is made from. */
export interface OpenConstant extends Made {
  /** The dimensions of one element that are repeated. */
  readonly repeated: readonly number[];
  /** Those that are cut where they are longer than it takes. */
  readonly cut: readonly number[];
}

/** Whether a part that begins at the origin has the same elements as the whole; strides of 0 repeat those. */
function begins(
  whole: TensorElements,
  strides: readonly number[],
  { elements, shape }: Made,
): boolean {
  const place = shape.map(() => 0);
  let at = 0;
  const count = numelOf(shape);
  for (let i = 0; i < count; i++) {
    if (!Object.is(elements[i], whole[at])) return false;
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d];
      if (++place[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      place[d] = 0;
    }
  }
  return true;
}

/** The elements at the beginning of some dimensions. */
function beginning({ elements, shape }: Made, repeated: readonly number[]): Made {
  const part = shape.map((size, d) => repeated.includes(d) ? Math.min(size, 1) : size);
  const [strides, own] = [contiguousStrides(shape), contiguousStrides(part)];
  const place = (i: number) =>
    own.reduce((at, step, d) => at + Math.floor(i / step) % part[d] * strides[d], 0);
  const values = elements as Float32Array;
  const kept = values.slice(0, numelOf(part));
  for (let i = 0; i < kept.length; i++) kept[i] = values[place(i)];
  return { elements: kept, shape: part };
}

/**
 * What a constant is made from for any of the open sizes.
 *
 * @param runs the constant of the first run, and of the others.
 * @param sizes what its sizes are of the open ones.
 * @returns undefined if the runs differ in what does not follow from these.
 */
export function openConstant(
  runs: readonly Made[],
  sizes: readonly Size[],
  open: readonly OpenName[],
): OpenConstant | undefined {
  const [first] = runs;
  const strides = contiguousStrides(first.shape);
  const along = sizes.flatMap((size, d) => typeof size === "number" ? [] : [d]);
  const repeated = along.filter((d) => begins(first.elements, strides.with(d, 0), first));
  const cut = along.filter((d) => !repeated.includes(d));
  const hasWhole = cut.every((d) => {
    const size = sizes[d];
    return typeof size === "number" ||
      size.of.every((name) => open.find((each) => each.name === name)!.isLargest);
  });
  const steps = strides.map((step, d) => repeated.includes(d) ? 0 : step);
  if (!hasWhole || !runs.every((run) => begins(first.elements, steps, run))) return undefined;
  return { ...beginning(first, repeated), repeated, cut };
}
