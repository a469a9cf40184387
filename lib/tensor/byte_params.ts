/**
 * Integers that stand for numbers: `(q − zeroPoint) · scale`. What such parameters must be, and the steps
 * of an expression that read integers as numbers and write numbers as integers, bit by bit as
 * onnxruntime's CPU kernels do.
 *
 * @module
 */
import type { Argument } from "../backend/expression.ts";
import { checkOptions, given } from "../numbers/arguments.ts";
import { bool, type DType, finfo, float32, int8, uint8 } from "../numbers/dtype.ts";
import type { Formula } from "./formula.ts";
import { checkTensor, type Tensor } from "./tensor.ts";

/** What the integers of a tensor stand for: `(q − zeroPoint) · scale`. */
export interface ByteParams {
  /** The distance between neighbours, a positive float32. */
  readonly scale: number;
  /** The integer that stands for 0; 0 by default. */
  readonly zeroPoint?: number;
}

/** Such parameters, complete and checked. */
export type CheckedParams = Required<ByteParams>;

/** The float32 that a scale is. @throws {RangeError} unless it is positive and finite. */
export function checkScale(where: string, name: string, value: unknown): number {
  const scale = typeof value === "number" ? Math.fround(value) : NaN;
  if (scale > 0 && scale < Infinity) return scale;
  throw new RangeError(
    `${where}: ${name} must be a positive number that float32 holds, got ${given(value)}`,
  );
}

/** A zero point. @throws {RangeError} unless it is an integer of the dtype. */
export function checkZeroPoint(where: string, name: string, value: unknown, dtype: DType): number {
  const whole = typeof value === "number" && Number.isInteger(value);
  if (whole && value >= dtype.min && value <= dtype.max) return value;
  throw new RangeError(
    `${where}: ${name} must be an integer from ${dtype.min} to ${dtype.max}, as ${dtype.name} has, got ` +
      `${given(value)}`,
  );
}

/** Parameters of integers of a dtype; `name` says whose. */
export function checkParams(
  where: string,
  name: string,
  params: ByteParams,
  dtype: DType,
): CheckedParams {
  checkOptions(`${where}: ${name}`, params, ["scale", "zeroPoint"]);
  return {
    scale: checkScale(where, `${name}.scale`, params?.scale),
    zeroPoint: checkZeroPoint(where, `${name}.zeroPoint`, params?.zeroPoint ?? 0, dtype),
  };
}

/** Throws a TypeError unless a tensor holds bytes, and those of one dtype if it is given. */
export function checkBytes(where: string, x: unknown, like?: Tensor): asserts x is Tensor {
  checkTensor(where, x);
  if (x.dtype !== uint8 && x.dtype !== int8) {
    throw new TypeError(
      `${where}: expected a tensor of uint8 or int8, got ${x.dtype.name}; make one with ` +
        `quantizeLinear(x, { scale, zeroPoint })`,
    );
  }
  if (like && x.dtype !== like.dtype) {
    throw new TypeError(
      `${where}: all tensors must have one dtype, got ${like.dtype.name} and ${x.dtype.name}`,
    );
  }
}

/** Throws a TypeError unless a dtype is one that numbers are quantized to. */
export function checkQuantized(where: string, dtype: DType): void {
  if (!dtype.isFloat && dtype.itemSize < 4 && dtype !== bool) return;
  throw new TypeError(
    `${where}: numbers are quantized to integers of at most 16 bits, such as uint8, got ${dtype.name}`,
  );
}

/** 1/scale, or 0 where one of the two is no normal number. */
export function inverseOf(scale: number): number {
  const { tiny } = finfo(float32);
  const inverse = Math.fround(1 / scale);
  return scale >= tiny && inverse >= tiny && inverse < Infinity ? inverse : 0;
}

/** Integers as the numbers that they stand for. */
export function dequantized(
  formula: Formula,
  q: Tensor,
  scale: Tensor | number,
  zeroPoint: Tensor | number,
): Argument {
  const steps = formula.apply("sub", formula.read(q, "int"), formula.read(zeroPoint, "int"));
  return formula.apply("mul", formula.apply("float", steps), formula.read(scale, "float"));
}

/** A whole number of steps from the zero point as an integer of the dtype, which saturates. */
export function saturated(
  formula: Formula,
  steps: Argument,
  zeroPoint: Tensor | number,
  { min, max }: DType,
): Argument {
  const z = formula.read(zeroPoint, "int");
  const bound = (end: number) =>
    typeof zeroPoint === "number"
      ? formula.read(end - zeroPoint, "int")
      : formula.apply("sub", formula.read(end, "int"), z);
  const below = formula.apply("minimum", formula.apply("int", steps), bound(max));
  return formula.apply("add", formula.apply("maximum", below, bound(min)), z);
}

/** The last steps of an expression whose value is the integer that a number becomes. */
export function quantized(
  formula: Formula,
  x: Argument,
  { scale, inverse, zeroPoint }: {
    readonly scale: Tensor | number;
    readonly inverse: Tensor | number;
    readonly zeroPoint: Tensor | number;
  },
  dtype: DType,
): Argument {
  const read = (value: Tensor | number) => formula.read(value, "float");
  const steps = formula.apply("wholeQuotient", x, read(scale), read(inverse));
  return saturated(formula, steps, zeroPoint, dtype);
}
