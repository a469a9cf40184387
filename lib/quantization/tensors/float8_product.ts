/**
 * The product of 8-bit floats.
 *
 * @module
 */
import type { PackedRows } from "../../backend/backend.ts";
import { type DType, float32 } from "../../numbers/dtype.ts";
import { Formula } from "../../tensor/formula.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** 8-bit floats as float32, (M, K), with one scale or one a row, and the dtype of the result. */
export interface Float8Input {
  readonly numbers: Tensor;
  readonly scale: Tensor;
  readonly dtype: DType;
}

/** 8-bit floats as the kernels read them, (N, K), with one scale, one a row or one a group. */
export interface Float8Weight {
  readonly rows: PackedRows;
  readonly scale: Tensor;
}

/**
 * `sx[m]·sw[n]·Σ qx·qw + b[n]`, accumulated in float32 and rounded once. Enqueued.
 *
 * @returns (M, N).
 */
export function float8Product(x: Float8Input, w: Float8Weight, bias: Tensor | null): Tensor {
  const { numbers, scale, dtype } = x;
  const { backend } = numbers;
  const args = { wScale: w.scale.operand, wZeroPoint: null, bias: null };
  const y = backend.weightOnlyLinear(numbers.operand, w.rows, args);
  using products = new Tensor(backend, y, [numbers.shape[0], w.rows.rows], float32);
  using scales = scale.reshape(scale.numel, 1);
  const formula = new Formula("float8Product");
  const scaled = formula.apply(
    "mul",
    formula.read(products, "float"),
    formula.read(scales, "float"),
  );
  if (bias) formula.apply("add", scaled, formula.read(bias, "float"));
  return formula.result(dtype);
}
