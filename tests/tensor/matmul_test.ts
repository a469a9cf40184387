import { assertEquals, assertThrows } from "@std/assert";
import {
  bfloat16,
  type Device,
  type DType,
  float16,
  float32,
  int32,
  matmul,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";
import { reference } from "../conformance/reference.ts";
import { assertNear } from "../near.ts";

const torch = reference<{ name: string }>("torch-products");

eachBackend("matmul gives what PyTorch gives", async (device) => {
  for (const { name } of few(torch.cases, 8)) {
    using a = torch.load(`${name}.a`, device);
    using b = torch.load(`${name}.b`, device);
    using expected = torch.load(`${name}.y`, device);
    using y = matmul(a, b);
    await assertNear(y, expected, name);
  }
});

/** Small whole numbers, whose sums are exact in every dtype. */
function whole(shape: number[], seed: number, dtype: DType, device: Device): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 24) % 5 - 2);
  return tensor(values, { shape, dtype, device });
}

/** The sizes of matrices and of the leading dimensions. */
const BATCHES = [[[], []], [[2], [2]], [[3], [1]], [[1], [3]], [[2, 1], [3]], [[2, 3], [2, 1]]];
const SIZES = [[1, 1, 1], [1, 33, 8], [3, 5, 17], [9, 66, 16], [40, 7, 3], [65, 70, 24]];
const CASES = SIZES.flatMap((sizes) =>
  BATCHES.flatMap((batches) =>
    [float32, float16, bfloat16].flatMap((dtype) =>
      [false, true].map((transposeB) => ({ sizes, batches, dtype, transposeB }))
    )
  )
);

eachBackend(
  "matmul of any size, batch and tile is exact",
  (device) =>
    eachTiling(device, async () => {
      for (
        const { sizes: [m, n, k], batches: [left, right], dtype, transposeB } of few(CASES, 24)
      ) {
        using a = whole([...left, m, k], 1, dtype, device);
        using b = whole([...right, ...transposeB ? [n, k] : [k, n]], 7, dtype, device);
        using y = matmul(a, b, { transposeB });
        const name = `(${m}, ${n}, ${k}) ${left} by ${right} ${dtype.name} ${transposeB}`;
        const shape = [...y.shape];
        assertEquals(shape.slice(-2), [m, n], name);
        assertEquals([...await y.data()], await slow(a, b, shape, transposeB), name);
      }
    }),
);

/** The product element by element, from the places of each. */
async function slow(a: Tensor, b: Tensor, shape: number[], transposeB: boolean) {
  const [as, bs] = [await a.data(), await b.data()];
  const k = a.shape.at(-1)!;
  const at = (t: Tensor, index: number[]) =>
    t.shape.reduce((flat, size, d) => {
      const i = index[d - t.ndim + index.length];
      return flat * size + (size === 1 ? 0 : i);
    }, 0);
  const places = shape.reduce<number[][]>(
    (list, size) => list.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
  return places.map((index) => {
    const [batch, [i, j]] = [index.slice(0, -2), index.slice(-2)];
    let sum = 0;
    for (let t = 0; t < k; t++) {
      const right = transposeB ? [...batch, j, t] : [...batch, t, j];
      sum += as[at(a, [...batch, i, t])] * bs[at(b, right)];
    }
    return sum;
  });
}

eachBackend("matmul refuses what does not fit", (device) => {
  const of = (shape: number[], dtype = float32) =>
    tensor(new Array(shape.reduce((p, s) => p * s, 1)).fill(0), { shape, dtype, device });
  assertThrows(() => matmul(of([2, 3]), of([2, 3])), RangeError, "(2, 3) and (2, 3) do not fit");
  assertThrows(() => matmul(of([2, 2, 3]), of([3, 3, 2])), RangeError, "equal or 1");
  assertThrows(() => matmul(of([]), of([2])), RangeError, "() and (2,)");
  assertThrows(() => matmul(of([2, 3]), of([4, 2]), { transposeB: true }), RangeError, "(…, N, K)");
  assertThrows(() => matmul(of([2, 3]), of([3, 2], float16)), TypeError, ".to(float32)");
  assertThrows(() => matmul(of([2, 3], int32), of([3, 2], int32)), TypeError, "convert one");
  assertThrows(() => matmul(of([2, 3]), [1] as unknown as Tensor), TypeError, "matmul: b");
});
