/**
 * Products of batches of matrices.
 *
 * @module
 */
import type { TypedArray } from "../../numbers/encoding.ts";
import type { MatmulArgs, MatmulIntegerArgs, Operand } from "../backend.ts";
import { batchDims, matricesOf } from "../batches.ts";
import { valuesOf } from "./buffer.ts";

/** `a·b`, summed in float64; leading dimensions are broadcast. */
export function matmul(a: Operand, b: Operand, args: MatmulArgs): Float32Array {
  return sums([a, valuesOf(a)], [b, valuesOf(b)], args, (numel) => new Float32Array(numel));
}

/** `(a − za)·(b − zb)` of integers. */
export function matmulInteger(a: Operand, b: Operand, args: MatmulIntegerArgs): Int32Array {
  const { aZeroPoint, bZeroPoint, transposeB } = args;
  const [za] = valuesOf(aZeroPoint);
  const zb = valuesOf(bZeroPoint);
  const [k, n] = [b.shape.at(transposeB ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  const column = (i: number) => transposeB ? Math.floor(i / k) % n : i % n;
  const as = Int32Array.from(valuesOf(a), (v) => v - za);
  const bs = Int32Array.from(valuesOf(b), (v, i) => v - zb[zb.length === 1 ? 0 : column(i)]);
  return sums([a, as], [b, bs], args, (numel) => new Int32Array(numel));
}

/** Each sum of products, stored in what `empty` makes. */
function sums<Stored extends TypedArray>(
  [a, as]: readonly [Operand, TypedArray],
  [b, bs]: readonly [Operand, TypedArray],
  { transposeB = false }: MatmulArgs,
  empty: (numel: number) => Stored,
): Stored {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const { dims } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
  const products = dims.reduce((count, { size }) => count * size, 1);
  const [alongK, alongN] = transposeB ? [1, k] : [n, 1];
  const y = empty(products * m * n);
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
