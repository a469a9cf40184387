/**
 * Products of matrices of bytes, both of which may be computed: exact sums in int32, and those brought to
 * bytes as onnxruntime's CPU kernels do it (MatMulInteger, QLinearMatMul, QGemm).
 *
 * @module
 */
import { checkDType, checkOptions, given } from "../numbers/arguments.ts";
import { type DType, float32, int32, int8, uint8 } from "../numbers/dtype.ts";
import { encode } from "../numbers/encoding.ts";
import { formatShape } from "../numbers/shape.ts";
import {
  type ByteParams,
  checkBytes,
  checkParams,
  checkScale,
  checkZeroPoint,
  saturated,
} from "./byte_params.ts";
import { Formula } from "./formula.ts";
import { productShapes } from "./matmul.ts";
import { checkSameDevice } from "./ops.ts";
import { checkTensor, Tensor, zeros } from "./tensor.ts";

/** Options of {@linkcode matmulInteger}. */
export interface MatmulIntegerOptions {
  /** The integer of `a` that stands for 0, or a tensor of one; 0 by default. */
  aZeroPoint?: number | Tensor;
  /** That of `b`: one, or one a column, or a tensor of so many; 0 by default. */
  bZeroPoint?: number | readonly number[] | Tensor;
  /** Whether the matrices of `b` are given transposed, as (…, N, K). False by default. */
  transposeB?: boolean;
}

/** The greatest K for which sums of products of bytes, less any zero points, fit into int32. */
const MOST_K = Math.floor((2 ** 31 - 1) / 255 ** 2);

/** A zero point, or several, as int32 on the device of `x`, and whether it was made for that. */
function zeroPointOf(
  where: string,
  name: string,
  value: number | readonly number[] | Tensor,
  x: Tensor,
  most: number,
): { tensor: Tensor; made: boolean } {
  if (value instanceof Tensor) {
    if (value.dtype.isFloat) {
      throw new TypeError(`${where}: ${name} must be of integers, got ${value.dtype.name}`);
    }
    checkSameDevice(where, x, value);
    checkCount(where, name, value.numel, most);
    return { tensor: value.to(int32), made: value.dtype !== int32 };
  }
  const values = (typeof value === "number" ? [value] : [...value])
    .map((z) => checkZeroPoint(where, name, z, x.dtype));
  checkCount(where, name, values.length, most);
  const buffer = x.backend.upload(encode(values, int32));
  return { tensor: new Tensor(x.backend, buffer, [values.length], int32), made: true };
}

function checkCount(where: string, name: string, count: number, most: number): void {
  if (count === 1 || count === most) return;
  throw new RangeError(
    `${where}: ${name} must be one${most > 1 ? `, or ${most}, one a column` : ""}; got ${count}`,
  );
}

/**
 * The exact product of matrices of bytes, `Σ (a − aZeroPoint)·(b − bZeroPoint)` in int32, as ONNX's
 * MatMulInteger: of the last two dimensions, with the leading ones broadcast; vectors count as in
 * {@linkcode matmul}. Enqueued.
 *
 * @param a uint8 or int8, shape (…, M, K) or (K,).
 * @param b uint8 or int8, shape (…, K, N) or (K,).
 * @returns int32, shape (…, M, N).
 * @throws {RangeError} if shapes do not fit, a zero point is none, or K is beyond 33025, where sums might not
 * fit into int32.
 * @throws {TypeError} if one of them holds no bytes.
 * @throws {Error} if they live on different devices.
 *
 * @example
 * ```ts
 * import { matmulInteger, tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([[3, 4], [5, 6]], { dtype: uint8 });
 * console.log(await matmulInteger(a, a, { aZeroPoint: 3 }).data()); // Int32Array [ 5, 6, 21, 26 ]
 * ```
 */
export function matmulInteger(a: Tensor, b: Tensor, options: MatmulIntegerOptions = {}): Tensor {
  checkOptions("matmulInteger", options, ["aZeroPoint", "bZeroPoint", "transposeB"]);
  return exactProduct("matmulInteger", a, b, options);
}

function exactProduct(where: string, a: Tensor, b: Tensor, options: MatmulIntegerOptions): Tensor {
  checkBytes(`${where}: a`, a);
  checkBytes(`${where}: b`, b);
  checkSameDevice(where, a, b);
  const { x, w, transposeB, shape } = productShapes(where, a, b, options);
  const k = x.at(-1)!;
  if (k > MOST_K) {
    throw new RangeError(
      `${where}: K = ${k} is too large: sums of more than ${MOST_K} products of bytes might not fit into ` +
        `int32; split the matrices along K`,
    );
  }
  const { aZeroPoint = 0, bZeroPoint = 0 } = options;
  const za = zeroPointOf(where, "aZeroPoint", aZeroPoint, a, 1);
  const zb = zeroPointOf(where, "bZeroPoint", bZeroPoint, b, w.at(transposeB ? -2 : -1)!);
  try {
    const { backend, device } = a;
    if (k === 0) return zeros(shape, { dtype: int32, device });
    const y = backend.matmulInteger(
      { ...a.operand, shape: x },
      { ...b.operand, shape: w },
      {
        transposeB,
        aZeroPoint: za.tensor.operand,
        bZeroPoint: zb.tensor.operand,
      },
    );
    return new Tensor(backend, y, shape, int32);
  } finally {
    for (const { tensor, made } of [za, zb]) if (made) tensor.dispose();
  }
}

/** Options of {@linkcode requantize}. */
export interface RequantizeOptions {
  /** What sums are multiplied by: a number, or a float32 tensor that broadcasts. */
  multiplier: number | Tensor;
  /** int32, added to the sums first; it broadcasts. None by default. */
  bias?: Tensor | null;
  /** The integer of the result that stands for 0; 0 by default. */
  zeroPoint?: number;
  /** uint8, the default, or int8. */
  dtype?: DType;
}

/**
 * Exact sums as bytes: `clamp(round((sum + bias)·multiplier) + zeroPoint)`, in float32 and ties to even, as
 * onnxruntime's CPU kernels have it; their multiplier is `(sa·sb)/sy`, both rounded to float32. Enqueued.
 *
 * @param sums int32, of any shape.
 * @throws {RangeError} if the zero point is no integer of the dtype or shapes do not broadcast.
 * @throws {TypeError} if a tensor has another dtype.
 *
 * @example
 * ```ts
 * import { int32, requantize, tensor } from "@staticquant/staticquant";
 * const sums = tensor([100, 300, 10000], { dtype: int32 });
 * console.log(await requantize(sums, { multiplier: 0.125 }).data()); // Uint8Array [ 12, 38, 255 ]
 * ```
 */
export function requantize(sums: Tensor, options: RequantizeOptions): Tensor {
  const where = "requantize";
  checkTensor(where, sums);
  checkOptions(where, options ?? null, ["multiplier", "bias", "zeroPoint", "dtype"]);
  const { multiplier, bias = null, zeroPoint = 0, dtype = uint8 } = options;
  checkOutput(where, dtype);
  checkZeroPoint(where, "zeroPoint", zeroPoint, dtype);
  const formula = new Formula(where);
  const factors = factor(where, formula, multiplier);
  const steps = formula.apply("mul", scalable(where, formula, sums, bias), factors);
  saturated(formula, formula.apply("round", steps), zeroPoint, dtype);
  return formula.result(dtype);
}

/** `sums + bias` as a float. */
function scalable(where: string, formula: Formula, sums: Tensor, bias: Tensor | null) {
  for (const t of bias ? [sums, bias] : [sums]) {
    if (t instanceof Tensor && t.dtype === int32) continue;
    throw new TypeError(`${where}: sums and bias must be tensors of int32, got ${given(t)}`);
  }
  const sum = formula.read(sums, "int");
  const all = bias ? formula.apply("add", sum, formula.read(bias, "int")) : sum;
  return formula.apply("float", all);
}

function factor(where: string, formula: Formula, multiplier: number | Tensor) {
  if (multiplier instanceof Tensor && multiplier.dtype !== float32) {
    throw new TypeError(
      `${where}: the multiplier must be of float32, got ${multiplier.dtype.name}`,
    );
  }
  return formula.read(multiplier, "float");
}

function checkOutput(where: string, dtype: DType): void {
  checkDType(where, "dtype", dtype);
  if (dtype === uint8 || dtype === int8) return;
  throw new TypeError(`${where}: bytes are uint8 or int8, got ${dtype.name}`);
}

/** What the columns of a matrix of bytes stand for: as a whole, or each for itself. */
export interface ColumnByteParams {
  /** One scale, or one a column. */
  scale: number | readonly number[] | Float32Array;
  /** One zero point, or one a column; 0 by default. */
  zeroPoint?: number | readonly number[];
}

/** Options of {@linkcode quantizedMatmul}. */
export interface QuantizedMatmulOptions {
  /** What the bytes of `a` stand for. */
  a: ByteParams;
  /** What those of `b` stand for. */
  b: ColumnByteParams;
  /** What those of the result stand for; null for numbers. */
  y: ByteParams | null;
  /** int32, one number a column, in units of both scales; none by default. */
  bias?: Tensor | null;
  /** Whether the matrices of `b` are given transposed, as (…, N, K). False by default. */
  transposeB?: boolean;
  /** The dtype of the result if it is of bytes; that of `a` by default. */
  dtype?: DType;
}

/**
 * The product of matrices of bytes as bytes, or as float32 numbers: {@linkcode matmulInteger}, bias, and
 * {@linkcode requantize} with the multiplier `(sa·sb)/sy`, as onnxruntime's QLinearMatMul and QGemm. Numbers are
 * `(sum + bias)·(sa·sb)`. Enqueued.
 *
 * @param a uint8 or int8, shape (…, M, K) or (K,).
 * @param b uint8 or int8, shape (…, K, N) or (K,).
 * @throws {RangeError} if shapes do not fit, a parameter is none, or K is beyond 33025.
 * @throws {TypeError} if one of them holds no bytes.
 * @throws {Error} if they live on different devices.
 *
 * @example
 * ```ts
 * import { quantizedMatmul, tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([[3, 4], [5, 6]], { dtype: uint8 });
 * const y = quantizedMatmul(a, a, { a: { scale: 1 }, b: { scale: 0.5 }, y: { scale: 0.25 } });
 * console.log(await y.data()); // Uint8Array [ 58, 72, 90, 112 ]
 * ```
 */
export function quantizedMatmul(a: Tensor, b: Tensor, options: QuantizedMatmulOptions): Tensor {
  const where = "quantizedMatmul";
  checkBytes(`${where}: a`, a);
  checkBytes(`${where}: b`, b);
  checkOptions(where, options ?? null, ["a", "b", "y", "bias", "transposeB", "dtype"]);
  const { bias = null, transposeB = false, dtype = a.dtype } = options;
  const pa = checkParams(where, "a", options.a, a.dtype);
  checkOptions(`${where}: b`, options.b ?? null, ["scale", "zeroPoint"]);
  checkOutput(where, dtype);
  const y = options.y && checkParams(where, "y", options.y, dtype);
  const { scale } = options.b;
  const scales = typeof scale === "number" ? [scale] : [...scale ?? []];
  const factors = scales.map((s) => {
    const both = Math.fround(pa.scale * checkScale(where, "b.scale", s));
    return y ? Math.fround(both / y.scale) : both;
  });
  const columns = b.ndim === 1 ? 1 : b.shape.at(transposeB ? -2 : -1)!;
  checkCount(where, "b.scale", factors.length, columns);
  if (bias && (!(bias instanceof Tensor) || bias.numel !== columns || bias.ndim > 1)) {
    throw new RangeError(
      `${where}: the bias must be a tensor of shape (${columns},), got ${
        bias instanceof Tensor ? formatShape(bias.shape) : given(bias)
      }`,
    );
  }
  const bZeroPoint = options.b.zeroPoint ?? 0;
  using sums = exactProduct(where, a, b, { aZeroPoint: pa.zeroPoint, bZeroPoint, transposeB });
  using several = factors.length === 1 ? null : factorsOn(sums, factors);
  const multiplier = several ?? factors[0];
  if (y) return requantize(sums, { multiplier, bias, zeroPoint: y.zeroPoint, dtype });
  const formula = new Formula(where);
  formula.apply("mul", scalable(where, formula, sums, bias), factor(where, formula, multiplier));
  return formula.result(float32);
}

function factorsOn({ backend }: Tensor, factors: readonly number[]): Tensor {
  return new Tensor(backend, backend.upload(encode(factors, float32)), [factors.length], float32);
}
