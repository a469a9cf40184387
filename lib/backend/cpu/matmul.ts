/**
 * Products of batches of matrices.
 *
 * @module
 */
import type { MatmulArgs, Operand } from "../backend.ts";
import { batchDims, matricesOf } from "../batches.ts";
import { valuesOf } from "./buffer.ts";

/** `a·b`, summed in float64; leading dimensions are broadcast. */
export function matmul(a: Operand, b: Operand, { transposeB = false }: MatmulArgs): Float32Array {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const { dims } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
  const products = dims.reduce((count, { size }) => count * size, 1);
  const [as, bs] = [valuesOf(a), valuesOf(b)];
  const [alongK, alongN] = transposeB ? [1, k] : [n, 1];
  const y = new Float32Array(products * m * n);
  for (let p = 0; p < products; p++) {
    const first = matricesOf(p, dims);
    for (let i = 0; i < m; i++) {
      const row = (first.a * m + i) * k;
      for (let j = 0; j < n; j++) {
        const column = first.b * k * n + j * alongN;
        let sum = 0;
        for (let t = 0; t < k; t++) sum += as[row + t] * bs[column + t * alongK];
        y[(p * m + i) * n + j] = sum;
      }
    }
  }
  return y;
}
