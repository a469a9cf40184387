/**
 * Samples, as a model takes them.
 *
 * @module
 */
import { fail } from "./data_error.ts";
import type { ElementArray, ElementType } from "./element_type.ts";

/** A tensor of a sample, as onnxruntime takes it. */
export interface FeedTensor {
  /** The element type. */
  readonly type: ElementType;
  /** The elements, row by row. */
  readonly data: ElementArray;
  /** The sizes, the slowest first. */
  readonly dims: readonly number[];
}

/** One sample: a tensor for each input of the model. */
export type Feeds = Readonly<Record<string, FeedTensor>>;

/** An input or an output of a model, as its file describes it. */
export interface TensorInfo {
  /** Its name. */
  readonly name: string;
  /** Its element type, by onnxruntime's name. */
  readonly dtype: string;
  /** Its sizes: a number, the name of one that may change, or undefined for one that is not told; without
   * `dims` nothing is known of the shape. */
  readonly dims?: readonly (number | string | undefined)[];
}

/** An input in words: `x: float32 [batch, 3, ?]`. */
export function describeInput({ name, dtype, dims }: TensorInfo): string {
  return `${name}: ${dtype} ${dims ? showDims(dims) : "of any shape"}`;
}

/** Sizes in brackets. */
export function showDims(dims: readonly (number | string | undefined)[]): string {
  return `[${dims.map((size) => size ?? "?").join(", ")}]`;
}

/** Whether a shape is one that the input takes. */
export function fits(dims: TensorInfo["dims"], shape: readonly number[]): boolean {
  return !dims || dims.length === shape.length &&
      dims.every((size, axis) => typeof size !== "number" || size === shape[axis]);
}

/** @throws {DataError} if the elements are not of the input's type. */
export function checkType(where: string, input: TensorInfo, type: string): void {
  if (type === input.dtype) return;
  fail(
    where,
    `the elements are ${type}, but the model's input is ${describeInput(input)}; convert them to ` +
      input.dtype,
  );
}
