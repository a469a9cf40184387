/**
 * Checking what layers are made from.
 *
 * @module
 */
import type { Device } from "../backend/backend.ts";
import { backendFor } from "../backend/registry.ts";
import { checkDType, given } from "../numbers/arguments.ts";
import { type DType, float32 } from "../numbers/dtype.ts";
import { formatShape, numelOf, sameShape } from "../numbers/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Options of every layer that has parameters. */
export interface LayerOptions {
  /** Dtype of the parameters; float32 by default. */
  dtype?: DType;
  /** Device of the parameters; by default what `init` chose. */
  device?: Device;
}

/** The names of {@linkcode LayerOptions}. */
export const LAYER_OPTIONS: readonly string[] = ["dtype", "device"];

/** Throws unless parameters can be floats of that dtype; `where` opens the message. */
export function checkFloatDType(where: string, { dtype = float32 }: LayerOptions): void {
  checkDType(where, "dtype", dtype);
  if (dtype.isFloat) return;
  throw new TypeError(`${where}: parameters are floats, but dtype is ${dtype.name}`);
}

/** Throws unless a device holds parameters of these shapes, before any number is drawn. */
export function checkParametersFit(
  where: string,
  shapes: readonly (readonly number[])[],
  { dtype = float32, device }: LayerOptions,
): void {
  for (const shape of shapes) {
    backendFor(device).checkFits(numelOf(shape) * dtype.itemSize, where);
  }
}

/** Throws unless `value` is a whole number of at least `least`. */
export function checkSize(where: string, name: string, value: unknown, least = 1): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  const kind = least === 0
    ? "a non-negative integer"
    : least === 1
    ? "a positive integer"
    : "an integer";
  throw new RangeError(`${where}: ${name} must be ${kind}, got ${given(value)}`);
}

/** One size for all of `count` dimensions, or a list of one for each, as a list. */
export function sizesOf(
  where: string,
  name: string,
  value: unknown,
  count: number,
  least = 1,
): number[] {
  if (!Array.isArray(value)) return Array(count).fill(checkSize(where, name, value, least));
  if (value.length !== count) {
    throw new RangeError(
      `${where}: ${name} must be one integer or a list of ${count}, got a list of ${value.length}`,
    );
  }
  return value.map((size, i) => checkSize(where, `${name}[${i}]`, size, least));
}

/** Throws unless `value` is a number. */
export function checkNumber(where: string, name: string, value: unknown): number {
  if (typeof value === "number") return value;
  throw new TypeError(`${where}: ${name} must be a number, got ${given(value)}`);
}

/** Throws unless `value` is a truth value. */
export function checkBoolean(where: string, name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${where}: ${name} must be true or false, got ${given(value)}`);
}

/** Throws unless `value` is undefined or a tensor of that shape. */
export function checkParameter(
  where: string,
  name: string,
  value: unknown,
  shape: readonly number[],
): void {
  if (value === undefined) return;
  if (!(value instanceof Tensor)) {
    throw new TypeError(`${where}: ${name} must be a Tensor, got ${given(value)}`);
  }
  if (sameShape(value.shape, shape)) return;
  throw new RangeError(
    `${where}: the ${name} must have shape ${formatShape(shape)}, got ${formatShape(value.shape)}`,
  );
}

/** Throws unless `x` has one of the numbers of dimensions; `sizes` says what they are. */
export function checkDims(where: string, x: Tensor, dims: readonly number[], sizes: string): void {
  if (dims.includes(x.ndim)) return;
  throw new RangeError(`${where}: the input must have shape ${sizes}, got ${formatShape(x.shape)}`);
}
