/**
 * Sums and products of tensors of bytes, as bytes: what onnxruntime's QLinearAdd and QLinearMul compute,
 * rounding for rounding.
 *
 * @module
 */
import type { Argument } from "../backend/expression.ts";
import { checkOptions } from "../numbers/arguments.ts";
import {
  type ByteParams,
  checkBytes,
  type CheckedParams,
  checkParams,
  saturated,
} from "./byte_params.ts";
import { broadcastShapes, Formula } from "./formula.ts";
import type { Tensor } from "./tensor.ts";

/** What the bytes of two tensors and of a result stand for. */
export interface BinaryByteParams {
  /** Those of the first tensor. */
  a: ByteParams;
  /** Those of the second one. */
  b: ByteParams;
  /** Those of the result. */
  y: ByteParams;
}

function checkAll(
  where: string,
  a: Tensor,
  b: Tensor,
  params: BinaryByteParams,
): Record<"a" | "b" | "y", CheckedParams> {
  checkBytes(where, a);
  checkBytes(where, b, a);
  checkOptions(where, params ?? null, ["a", "b", "y"]);
  const of = (name: "a" | "b" | "y") => checkParams(where, name, params[name], a.dtype);
  return { a: of("a"), b: of("b"), y: of("y") };
}

/**
 * `byte · factor + addend`, rounded once, as no device is bound to have it: the factor's upper half times
 * the byte is exact, and what its sum with the addend loses is found by further sums.
 */
function multiplyAdd(
  formula: Formula,
  byte: Argument,
  factor: number,
  addend: Argument | number,
): Argument {
  const bits = new Uint32Array(Float32Array.of(factor).buffer);
  bits[0] &= 0xfffff000;
  const upper = new Float32Array(bits.buffer)[0];
  const c = typeof addend === "number" ? formula.read(addend, "float") : addend;
  const zero = formula.read(0, "int");
  const exactly = (name: "add" | "sub", x: Argument, y: Argument) =>
    formula.apply("float32", formula.apply(name, x, y), zero);
  const product = formula.apply("mul", byte, upper);
  const rest = formula.apply("mul", byte, factor - upper);
  const sum = exactly("add", product, c);
  const part = exactly("sub", sum, product);
  const lostOfProduct = exactly("sub", product, exactly("sub", sum, part));
  const lost = exactly("add", lostOfProduct, exactly("sub", c, part));
  return exactly("add", sum, exactly("add", lost, rest));
}

/** Whether the last dimension in which results differ is one in which `x` does not. */
function repeatsInside(x: Tensor, shape: readonly number[]): boolean {
  const d = shape.findLastIndex((size) => size > 1);
  return d >= 0 && (x.shape[d - shape.length + x.ndim] ?? 1) === 1;
}

/**
 * The bytes of `a + b`: `round(a·sa/sy + (b·sb/sy + c))`, each product and sum rounded once to float32, `c`
 * being what the zero points come to. These are the bytes of onnxruntime's QLinearAdd where its CPU has
 * fused multiplication and addition (AVX2, NEON); on others it rounds products too, and about one byte in two
 * thousand differs by one. Tensors broadcast. Enqueued.
 *
 * @param a uint8 or int8.
 * @param b of the same dtype.
 * @returns a tensor of that dtype.
 * @throws {RangeError} if the shapes do not broadcast, or a parameter is none.
 * @throws {TypeError} if the tensors hold no bytes of one dtype.
 *
 * @example
 * ```ts
 * import { quantizedAdd, tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([0, 10, 20], { dtype: uint8 });
 * const y = quantizedAdd(a, a, { a: { scale: 1 }, b: { scale: 0.5 }, y: { scale: 0.25 } });
 * console.log(await y.data()); // Uint8Array [ 0, 60, 120 ]
 * ```
 */
export function quantizedAdd(a: Tensor, b: Tensor, params: BinaryByteParams): Tensor {
  const where = "quantizedAdd";
  const { a: pa, b: pb, y } = checkAll(where, a, b, params);
  const shape = broadcastShapes(where, a.shape, b.shape);
  // onnxruntime takes what repeats as the second one.
  const [[first, p], [second, q]] = repeatsInside(a, shape)
    ? [[b, pb], [a, pa]] as const
    : [[a, pa], [b, pb]] as const;
  const [ratio, other] = [p, q].map(({ scale }) => Math.fround(scale / y.scale));
  const zeros = Math.fround(ratio * p.zeroPoint + Math.fround(other * q.zeroPoint));
  const formula = new Formula(where);
  const byte = (t: Tensor) => formula.apply("float", formula.read(t, "int"));
  const inner = multiplyAdd(formula, byte(second), other, Math.fround(y.zeroPoint - zeros));
  const sum = multiplyAdd(formula, byte(first), ratio, inner);
  saturated(formula, formula.apply("round", sum), 0, a.dtype);
  return formula.result(a.dtype);
}

/**
 * The bytes of `a · b`: `round((a − za)·(b − zb)·(sa·sb/sy) + zy)`, product and sum each rounded to float32, as
 * onnxruntime's QLinearMul has them. Tensors broadcast. Enqueued.
 *
 * @param a uint8 or int8.
 * @param b of the same dtype.
 * @returns a tensor of that dtype.
 * @throws {RangeError} if the shapes do not broadcast, or a parameter is none.
 * @throws {TypeError} if the tensors hold no bytes of one dtype.
 *
 * @example
 * ```ts
 * import { quantizedMul, tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([0, 10, 20], { dtype: uint8 });
 * const y = quantizedMul(a, a, { a: { scale: 1 }, b: { scale: 0.5 }, y: { scale: 2 } });
 * console.log(await y.data()); // Uint8Array [ 0, 25, 100 ]
 * ```
 */
export function quantizedMul(a: Tensor, b: Tensor, params: BinaryByteParams): Tensor {
  const where = "quantizedMul";
  const { a: pa, b: pb, y } = checkAll(where, a, b, params);
  const ratio = Math.fround(Math.fround(pa.scale * pb.scale) / y.scale);
  const formula = new Formula(where);
  const steps = (t: Tensor, { zeroPoint }: CheckedParams) =>
    formula.apply("sub", formula.read(t, "int"), formula.read(zeroPoint, "int"));
  const product = formula.apply("float", formula.apply("mul", steps(a, pa), steps(b, pb)));
  const scaled = formula.apply("mul", product, ratio);
  const apart = formula.apply("float32", scaled, formula.read(0, "int"));
  saturated(formula, formula.apply("round", formula.apply("add", apart, y.zeroPoint)), 0, a.dtype);
  return formula.result(a.dtype);
}
