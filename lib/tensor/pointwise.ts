/**
 * Arithmetic, comparisons and functions of numbers, element by element, with PyTorch's names,
 * broadcasting and promotion: of tensors of different dtypes the result has the wider one, an integer
 * tensor with a float is a float one, and a number beside a tensor leaves its dtype as it is unless a
 * float meets integers. Floats are computed in float32 and rounded once; integers are computed in int32
 * and wrap around. Everything is enqueued and returns at once.
 *
 * On WebGPU, functions are right to a few units in the last place of float32; NaNs and infinities come
 * out as PyTorch's do, but subnormal numbers may count as zero.
 *
 * @module
 */
import { type FunctionName, kindOf } from "../backend/expression.ts";
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { bool, type DType, float32 } from "../numbers/dtype.ts";
import { checkOperands, Formula, resultType } from "./formula.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** A function of two values in their common dtype. */
function binary(
  where: string,
  name: FunctionName,
  a: Tensor | number,
  b: Tensor | number,
  dtype?: DType,
): Tensor {
  checkOperands(where, a, b);
  const common = resultType(a, b);
  const formula = new Formula(where);
  const kind = kindOf(common);
  formula.apply(name, formula.read(a, kind), formula.read(b, kind));
  return formula.result(dtype ?? common);
}

/** A function of floats; integers are converted to float32. */
function ofFloats(name: FunctionName, x: Tensor): Tensor {
  checkTensor(name, x);
  const formula = new Formula(name);
  formula.apply(name, formula.read(x, "float"));
  return formula.result(x.dtype.isFloat ? x.dtype : float32);
}

/** A function of floats and of integers, which stay what they are. */
function ofNumbers(name: FunctionName, x: Tensor, dtype?: DType): Tensor {
  checkTensor(name, x);
  const formula = new Formula(name);
  formula.apply(name, formula.read(x, kindOf(x.dtype)));
  return formula.result(dtype ?? x.dtype);
}

/** A function of whether values are not zero. */
function logical(where: string, name: FunctionName, ...values: (Tensor | number)[]): Tensor {
  checkOperands(where, ...values);
  const formula = new Formula(where);
  formula.apply(name, ...values.map((value) => formula.truth(value)));
  return formula.result(bool);
}

/**
 * `a + b`.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { add, tensor } from "@staticquant/staticquant";
 * console.log(await add(tensor([[1], [2]]), tensor([10, 20])).data()); // 11, 21, 12, 22
 * ```
 */
export function add(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("add", "add", a, b);
}

/**
 * `a − b`.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { sub, tensor } from "@staticquant/staticquant";
 * console.log(await sub(tensor([1, 2]), 1).data()); // Float32Array [ 0, 1 ]
 * ```
 */
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("sub", "sub", a, b);
}

/**
 * `a · b`.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { mul, tensor } from "@staticquant/staticquant";
 * console.log(await mul(tensor([1, 2]), 3).data()); // Float32Array [ 3, 6 ]
 * ```
 */
export function mul(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("mul", "mul", a, b);
}

/** Options of {@linkcode div}. */
export interface DivOptions {
  /**
   * How quotients become whole: `"trunc"` towards zero, `"floor"` downwards. By default they do not, and
   * integers become float32.
   */
  roundingMode?: "trunc" | "floor";
}

/**
 * `a / b`. Of integers it is a float32 tensor unless a rounding mode is given; whole quotients by 0 are 0.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { div, int32, tensor } from "@staticquant/staticquant";
 * const seven = tensor([7, -7], { dtype: int32 });
 * console.log(await div(seven, 2).data()); // Float32Array [ 3.5, -3.5 ]
 * console.log(await div(seven, 2, { roundingMode: "floor" }).data()); // Int32Array [ 3, -4 ]
 * ```
 */
export function div(a: Tensor | number, b: Tensor | number, options: DivOptions = {}): Tensor {
  checkOperands("div", a, b);
  checkOptions("div", options, ["roundingMode"]);
  const { roundingMode } = options;
  const common = resultType(a, b);
  const dtype = common.isFloat || roundingMode ? common : float32;
  const kind = kindOf(dtype);
  const formula = new Formula("div");
  const [x, y] = [formula.read(a, kind), formula.read(b, kind)];
  if (roundingMode === undefined) {
    formula.apply("div", x, y);
    return formula.result(dtype);
  }
  checkChoice("div", "roundingMode", roundingMode, ["trunc", "floor"]);
  // What divides without a rest, so that the quotient is whole but for its own rounding.
  const rest = formula.apply(roundingMode === "floor" ? "remainder" : "fmod", x, y);
  const quotient = formula.apply("div", formula.apply("sub", x, rest), y);
  formula.apply("round", quotient);
  return formula.result(dtype);
}

/**
 * What is left of `a` divided by `b`, with the sign of `b`, as `torch.remainder`; of integers by 0 it is 0.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { remainder, tensor } from "@staticquant/staticquant";
 * console.log(await remainder(tensor([7, -7]), 3).data()); // Float32Array [ 1, 2 ]
 * ```
 */
export function remainder(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("remainder", "remainder", a, b);
}

/**
 * What is left of `a` divided by `b`, with the sign of `a`, as `torch.fmod`; of integers by 0 it is 0.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { fmod, tensor } from "@staticquant/staticquant";
 * console.log(await fmod(tensor([7, -7]), 3).data()); // Float32Array [ 1, -1 ]
 * ```
 */
export function fmod(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("fmod", "fmod", a, b);
}

/**
 * `a` to the power of `b`. A negative `a` has whole powers only, others are NaN. Negative powers of
 * integers are 0, but of 1 and −1.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { pow, tensor } from "@staticquant/staticquant";
 * console.log(await pow(tensor([3, -2]), 3).data()); // Float32Array [ 27, -8 ]
 * ```
 */
export function pow(a: Tensor | number, b: Tensor | number): Tensor {
  if (!(a instanceof Tensor) || typeof b !== "number") return binary("pow", "pow", a, b);
  if (b === 2) return mul(a, a);
  // As PyTorch has it, also where the root of −Infinity is asked for.
  if (a.dtype.isFloat && Math.abs(b) === 0.5) return ofFloats(b > 0 ? "sqrt" : "rsqrt", a);
  return binary("pow", "pow", a, b);
}

/**
 * The greater of `a` and `b`; NaN where one is.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { maximum, tensor } from "@staticquant/staticquant";
 * console.log(await maximum(tensor([1, 5]), 3).data()); // Float32Array [ 3, 5 ]
 * ```
 */
export function maximum(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("maximum", "maximum", a, b);
}

/**
 * The lesser of `a` and `b`; NaN where one is.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { minimum, tensor } from "@staticquant/staticquant";
 * console.log(await minimum(tensor([1, 5]), 3).data()); // Float32Array [ 1, 3 ]
 * ```
 */
export function minimum(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("minimum", "minimum", a, b);
}

/**
 * Where `a` equals `b` (`a = b`), as a bool tensor. It does not where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { eq, tensor } from "@staticquant/staticquant";
 * console.log(await eq(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 0, 1, 0 ]
 * ```
 */
export function eq(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("eq", "eq", a, b, bool);
}

/**
 * Where `a` differs from `b` (`a ≠ b`), as a bool tensor. It does where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { ne, tensor } from "@staticquant/staticquant";
 * console.log(await ne(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 1, 0, 1 ]
 * ```
 */
export function ne(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("ne", "ne", a, b, bool);
}

/**
 * Where `a` is less than `b` (`a < b`), as a bool tensor. It does not where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { lt, tensor } from "@staticquant/staticquant";
 * console.log(await lt(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 1, 0, 0 ]
 * ```
 */
export function lt(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("lt", "lt", a, b, bool);
}

/**
 * Where `a` is at most `b` (`a ≤ b`), as a bool tensor. It does not where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { le, tensor } from "@staticquant/staticquant";
 * console.log(await le(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 1, 1, 0 ]
 * ```
 */
export function le(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("le", "le", a, b, bool);
}

/**
 * Where `a` is greater than `b` (`a > b`), as a bool tensor. It does not where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { gt, tensor } from "@staticquant/staticquant";
 * console.log(await gt(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 0, 0, 1 ]
 * ```
 */
export function gt(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("gt", "gt", a, b, bool);
}

/**
 * Where `a` is at least `b` (`a ≥ b`), as a bool tensor. It does not where one is NaN.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { ge, tensor } from "@staticquant/staticquant";
 * console.log(await ge(tensor([1, 2, 3]), 2).data()); // Uint8Array [ 0, 1, 1 ]
 * ```
 */
export function ge(a: Tensor | number, b: Tensor | number): Tensor {
  return binary("ge", "ge", a, b, bool);
}

/**
 * Where both `a` and `b` are not zero, as a bool tensor.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { logicalAnd, tensor } from "@staticquant/staticquant";
 * console.log(await logicalAnd(tensor([0, 2]), tensor([3, 4])).data()); // Uint8Array [ 0, 1 ]
 * ```
 */
export function logicalAnd(a: Tensor | number, b: Tensor | number): Tensor {
  return logical("logicalAnd", "and", a, b);
}

/**
 * Where `a` or `b` or both are not zero, as a bool tensor.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { logicalOr, tensor } from "@staticquant/staticquant";
 * console.log(await logicalOr(tensor([0, 2]), tensor([3, 4])).data()); // Uint8Array [ 1, 1 ]
 * ```
 */
export function logicalOr(a: Tensor | number, b: Tensor | number): Tensor {
  return logical("logicalOr", "or", a, b);
}

/**
 * Where one of `a` and `b` is, but not both are, not zero, as a bool tensor.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if neither is a Tensor.
 *
 * @example
 * ```ts
 * import { logicalXor, tensor } from "@staticquant/staticquant";
 * console.log(await logicalXor(tensor([0, 2]), tensor([3, 4])).data()); // Uint8Array [ 1, 0 ]
 * ```
 */
export function logicalXor(a: Tensor | number, b: Tensor | number): Tensor {
  return logical("logicalXor", "xor", a, b);
}

/**
 * Where `x` is zero, as a bool tensor.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { logicalNot, tensor } from "@staticquant/staticquant";
 * console.log(await logicalNot(tensor([0, 2])).data()); // Uint8Array [ 1, 0 ]
 * ```
 */
export function logicalNot(x: Tensor): Tensor {
  return logical("logicalNot", "not", x);
}

/**
 * `a` where the condition is not zero, else `b`; all three broadcast.
 *
 * @param condition of any dtype, mostly bool.
 * @param a what is taken where it holds.
 * @param b what is taken elsewhere.
 * @returns the common dtype of `a` and `b`.
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if the condition is no Tensor, or `a` or `b` neither Tensor nor number.
 *
 * @example
 * ```ts
 * import { gt, tensor, where } from "@staticquant/staticquant";
 * const x = tensor([-1, 2]);
 * console.log(await where(gt(x, 0), x, 10).data()); // Float32Array [ 10, 2 ]
 * ```
 */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  checkTensor("where", condition);
  [a, b].forEach((value) => checkOperands("where", condition, value));
  const dtype = resultType(a, b);
  const kind = kindOf(dtype);
  const formula = new Formula("where");
  formula.apply("select", formula.truth(condition), formula.read(a, kind), formula.read(b, kind));
  return formula.result(dtype);
}

/** Options of {@linkcode clamp}; at least one is given. */
export interface ClampOptions {
  /** The least value: a number, or a tensor that broadcasts. */
  min?: Tensor | number;
  /** The greatest value: a number, or a tensor that broadcasts. */
  max?: Tensor | number;
}

/**
 * `x`, but at least `min` and at most `max`; `max` where `min` lies above it. NaN stays.
 *
 * @throws {RangeError} if the shapes do not broadcast.
 * @throws {TypeError} if `x` is no Tensor, or neither bound is given.
 *
 * @example
 * ```ts
 * import { clamp, tensor } from "@staticquant/staticquant";
 * console.log(await clamp(tensor([-1, 0.5, 2]), { min: 0, max: 1 }).data()); // 0, 0.5, 1
 * ```
 */
export function clamp(x: Tensor, options: ClampOptions): Tensor {
  checkTensor("clamp", x);
  checkOptions("clamp", options, ["min", "max"]);
  const { min, max } = options ?? {};
  if (min === undefined && max === undefined) {
    throw new TypeError("clamp: give min, max or both, as in clamp(x, { min: 0 })");
  }
  const dtype = resultType(x, ...[min, max].filter((bound) => bound !== undefined));
  const kind = kindOf(dtype);
  const formula = new Formula("clamp");
  let value = formula.read(x, kind);
  if (min !== undefined) value = formula.apply("maximum", value, formula.read(min, kind));
  if (max !== undefined) formula.apply("minimum", value, formula.read(max, kind));
  return formula.result(dtype);
}

/**
 * `−x`. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { neg, tensor } from "@staticquant/staticquant";
 * console.log(await neg(tensor([1, -2])).data()); // Float32Array [ -1, 2 ]
 * ```
 */
export function neg(x: Tensor): Tensor {
  return ofNumbers("neg", x);
}

/**
 * The magnitude of `x`. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { abs, tensor } from "@staticquant/staticquant";
 * console.log(await abs(tensor([1, -2])).data()); // Float32Array [ 1, 2 ]
 * ```
 */
export function abs(x: Tensor): Tensor {
  return ofNumbers("abs", x);
}

/**
 * 1, 0 or −1, as `x` is positive, zero (or NaN) or negative. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { sign, tensor } from "@staticquant/staticquant";
 * console.log(await sign(tensor([3, 0, -2])).data()); // Float32Array [ 1, 0, -1 ]
 * ```
 */
export function sign(x: Tensor): Tensor {
  return ofNumbers("sign", x);
}

/**
 * The greatest whole number that is at most `x`. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { floor, tensor } from "@staticquant/staticquant";
 * console.log(await floor(tensor([1.5, -1.5])).data()); // Float32Array [ 1, -2 ]
 * ```
 */
export function floor(x: Tensor): Tensor {
  return ofNumbers("floor", x);
}

/**
 * The least whole number that is at least `x`. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { ceil, tensor } from "@staticquant/staticquant";
 * console.log(await ceil(tensor([1.5, -1.5])).data()); // Float32Array [ 2, -1 ]
 * ```
 */
export function ceil(x: Tensor): Tensor {
  return ofNumbers("ceil", x);
}

/**
 * The whole number nearest to `x`, the even one of two. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { round, tensor } from "@staticquant/staticquant";
 * console.log(await round(tensor([0.5, 1.5])).data()); // Float32Array [ 0, 2 ]
 * ```
 */
export function round(x: Tensor): Tensor {
  return ofNumbers("round", x);
}

/**
 * `x` without its fraction. Integers stay integers.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { tensor, trunc } from "@staticquant/staticquant";
 * console.log(await trunc(tensor([1.5, -1.5])).data()); // Float32Array [ 1, -1 ]
 * ```
 */
export function trunc(x: Tensor): Tensor {
  return ofNumbers("trunc", x);
}

/**
 * Where `x` is NaN, as a bool tensor.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { isnan, tensor } from "@staticquant/staticquant";
 * console.log(await isnan(tensor([0, NaN])).data()); // Uint8Array [ 0, 1 ]
 * ```
 */
export function isnan(x: Tensor): Tensor {
  return ofNumbers("isnan", x, bool);
}

/**
 * Where `x` is infinite, as a bool tensor.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { isinf, tensor } from "@staticquant/staticquant";
 * console.log(await isinf(tensor([0, -Infinity])).data()); // Uint8Array [ 0, 1 ]
 * ```
 */
export function isinf(x: Tensor): Tensor {
  return ofNumbers("isinf", x, bool);
}

/**
 * The square root of `x`; NaN of a negative number. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { sqrt, tensor } from "@staticquant/staticquant";
 * console.log(await sqrt(tensor([4])).item()); // 2
 * ```
 */
export function sqrt(x: Tensor): Tensor {
  return ofFloats("sqrt", x);
}

/**
 * `1 / √x`. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { rsqrt, tensor } from "@staticquant/staticquant";
 * console.log(await rsqrt(tensor([4])).item()); // 0.5
 * ```
 */
export function rsqrt(x: Tensor): Tensor {
  return ofFloats("rsqrt", x);
}

/**
 * `1 / x`. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { reciprocal, tensor } from "@staticquant/staticquant";
 * console.log(await reciprocal(tensor([4])).item()); // 0.25
 * ```
 */
export function reciprocal(x: Tensor): Tensor {
  return ofFloats("reciprocal", x);
}

/**
 * e to the power of `x`. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { exp, tensor } from "@staticquant/staticquant";
 * console.log(await exp(tensor([1])).item()); // ≈ 2.7182817
 * ```
 */
export function exp(x: Tensor): Tensor {
  return ofFloats("exp", x);
}

/**
 * `exp(x) − 1`, also where that is tiny. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { expm1, tensor } from "@staticquant/staticquant";
 * console.log(await expm1(tensor([1e-6])).item()); // ≈ 0.0000010000005
 * ```
 */
export function expm1(x: Tensor): Tensor {
  return ofFloats("expm1", x);
}

/**
 * The natural logarithm of `x`; −Infinity of 0, NaN of a negative number. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { log, tensor } from "@staticquant/staticquant";
 * console.log(await log(tensor([1])).item()); // 0
 * ```
 */
export function log(x: Tensor): Tensor {
  return ofFloats("log", x);
}

/**
 * `log(1 + x)`, also where that is tiny. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { log1p, tensor } from "@staticquant/staticquant";
 * console.log(await log1p(tensor([1e-6])).item()); // ≈ 9.999995e-7
 * ```
 */
export function log1p(x: Tensor): Tensor {
  return ofFloats("log1p", x);
}

/**
 * The error function, `2/√π · ∫₀ˣ exp(−t²) dt`. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { erf, tensor } from "@staticquant/staticquant";
 * console.log(await erf(tensor([1])).item()); // ≈ 0.8427008
 * ```
 */
export function erf(x: Tensor): Tensor {
  return ofFloats("erf", x);
}

/**
 * `1 − erf(x)`, also where that is tiny. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { erfc, tensor } from "@staticquant/staticquant";
 * console.log(await erfc(tensor([4])).item()); // ≈ 1.541726e-8
 * ```
 */
export function erfc(x: Tensor): Tensor {
  return ofFloats("erfc", x);
}

/**
 * The sine of `x` in radians; on WebGPU only for magnitudes up to 100,000. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { sin, tensor } from "@staticquant/staticquant";
 * console.log(await sin(tensor([1])).item()); // ≈ 0.84147096
 * ```
 */
export function sin(x: Tensor): Tensor {
  return ofFloats("sin", x);
}

/**
 * The cosine of `x` in radians; on WebGPU only for magnitudes up to 100,000. Integers become float32.
 *
 * @throws {TypeError} if `x` is no Tensor.
 *
 * @example
 * ```ts
 * import { cos, tensor } from "@staticquant/staticquant";
 * console.log(await cos(tensor([1])).item()); // ≈ 0.5403023
 * ```
 */
export function cos(x: Tensor): Tensor {
  return ofFloats("cos", x);
}
