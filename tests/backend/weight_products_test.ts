/** The products of packed integers with per-row inputs, in groups, and with floats, on both backends. */
import { assert, assertEquals } from "@std/assert";
import {
  type Backend,
  backendFor,
  bfloat16,
  type DType,
  float16,
  float32,
  int32,
  int4,
  int8,
  type PackedRows,
  Tensor,
  tensor,
  uint3,
  uint4,
  uint8,
} from "../../mod.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";
import { quantizeOne, rounded, ulp, uniform, wider } from "../oracles.ts";

/** Leaves garbage in the buffers that the next operations will reuse. */
function poison(backend: Backend): void {
  const sizes = Array.from({ length: 14 }, (_, i) => 4 << i);
  const buffers = sizes.flatMap((size) =>
    [0, 1, 2].map(() => backend.upload(new Uint8Array(size).fill(0xa5)))
  );
  buffers.forEach((buffer) => backend.release(buffer));
}

function integers({ min, max }: DType, length: number, seed: number): number[] {
  const span = max - min + 1;
  return Array.from({ length }, (_, i) => {
    if (i % 11 === 3) return min;
    if (i % 13 === 5) return max;
    return min + (Math.imul(i + seed, 2654435761) >>> 8) % span;
  });
}

interface Weight {
  readonly values: number[];
  readonly packed: PackedRows;
  readonly groups: number;
  readonly scale: number[];
  readonly zeroPoint: number[];
}

function weight(
  backend: Backend,
  [n, k]: number[],
  dtype: DType,
  groupSize: number,
  sums: boolean,
): Weight {
  const groups = k / groupSize;
  const values = integers(dtype, n * k, 2);
  using q = tensor(values, { shape: [n, k], dtype, device: backend.device });
  const bits = dtype.max - dtype.min <= 15 ? 4 : 8;
  return {
    values,
    packed: backend.packRows(q.operand, { bits, groupSize, sums }),
    groups,
    scale: [...uniform(7, n * groups, 0.01, 0.05)],
    zeroPoint: integers(dtype, n * groups, 5),
  };
}

const SIZES = [1, 3, 17, 63, 65, 100];
/** k and the size of its groups. */
const GROUPED = [[32, 32], [64, 32], [192, 64], [256, 128], [512, 256], [128, 32]];

eachBackend("packed nibbles come back, with the sums of their groups", async (device) => {
  const backend = backendFor(device);
  const shapes = [
    ...SIZES.map((k) => [3, k, k]),
    ...GROUPED.map(([k, g]) => [5, k, g]),
  ];
  for (const dtype of [uint4, int4, uint3]) {
    for (const [n, k, groupSize] of shapes) {
      poison(backend);
      const { values, packed, groups } = weight(backend, [n, k], dtype, groupSize, true);
      assertEquals(packed.data.byteLength, n * Math.ceil(k / 32) * 16, "two a byte");
      using plain = new Tensor(backend, backend.unpackRows(packed), [n, k], dtype);
      assertEquals([...await plain.data()], values, `${dtype.name} (${n}, ${k})`);
      using sums = new Tensor(backend, packed.sums!, [n, groups], int32);
      const expected = Array.from({ length: n * groups }, (_, i) => {
        const start = i * groupSize;
        return values.slice(start, start + groupSize).reduce((sum, v) => sum + v - dtype.min, 0);
      });
      assertEquals([...await sums.data()], expected);
      backend.release(packed.data);
    }
  }
});

eachBackend(
  "int32 sums of bytes by nibbles are exact at odd sizes",
  (device) =>
    eachTiling(device, async (backend) => {
      const cases = [1, 3, 17, 40].flatMap((m) => SIZES.map((k) => [m, k]));
      for (const [turn, [m, k]] of few([...cases.entries()], 5)) {
        const n = [1, 17, 63][turn % 3];
        const wDtype = [uint4, int4][turn % 2];
        const xDtype = [uint8, int8][(turn >> 1) % 2];
        const x = integers(xDtype, m * k, 1);
        const zx = turn % 3 ? xDtype.min + 101 : 0;
        poison(backend);
        const w = weight(backend, [n, k], wDtype, k, true);
        using xq = tensor(x, { shape: [m, k], dtype: xDtype, device });
        const px = backend.packRows(xq.operand);
        using one = tensor([1], { device });
        using xZeroPoint = tensor([zx], { device });
        using wZeroPoint = tensor(w.zeroPoint, { device });
        const symmetric = turn % 5 === 0;
        const y = backend.packedLinear(px, w.packed, {
          xScale: one.operand.buffer,
          xZeroPoint: zx === 0 ? null : xZeroPoint.operand.buffer,
          wScale: one.operand.buffer,
          wZeroPoint: symmetric ? null : wZeroPoint.operand.buffer,
          wParamCount: n,
          bias: null,
          outputDtype: int32,
        });
        using result = new Tensor(backend, y, [m, n], int32);
        const expected = new Int32Array(m * n);
        for (let i = 0; i < m * n; i++) {
          const [row, column] = [Math.floor(i / n), i % n];
          const zw = symmetric ? 0 : w.zeroPoint[column];
          for (let t = 0; t < k; t++) {
            expected[i] += (x[row * k + t] - zx) * (w.values[column * k + t] - zw);
          }
        }
        assertEquals(await result.data(), expected, `(${m}, ${n}, ${k}) ${xDtype} by ${wDtype}`);
      }
    }),
);

eachBackend(
  "each group's sum is exact, and scaled by its own parameters",
  (device) =>
    eachTiling(device, async (backend) => {
      for (const [m, n] of [[1, 3], [3, 17], [17, 65]]) {
        for (const [k, groupSize] of few(GROUPED, 2)) {
          for (const zx of [0, -37]) {
            const x = integers(int8, m * k, 1);
            poison(backend);
            const w = weight(backend, [n, k], uint4, groupSize, zx !== 0);
            using xq = tensor(x, { shape: [m, k], dtype: int8, device });
            const px = backend.packRows(xq.operand);
            using xScale = tensor(new Array(m).fill(1), { device });
            using xZeroPoint = tensor(new Array(m).fill(zx), { device });
            using wZeroPoint = tensor(w.zeroPoint, { device });
            for (let only = 0; only < w.groups; only += 3) {
              // A scale of 0 for all groups but one leaves that one's sum, which float32 holds exactly.
              const scale = w.scale.map((_, i) => i % w.groups === only ? 1 : 0);
              using wScale = tensor(scale, { device });
              const y = backend.packedLinear(px, w.packed, {
                xScale: xScale.operand.buffer,
                xZeroPoint: zx ? xZeroPoint.operand.buffer : null,
                xParamCount: m,
                wScale: wScale.operand.buffer,
                wZeroPoint: wZeroPoint.operand.buffer,
                wParamCount: scale.length,
                bias: null,
                outputDtype: float32,
              });
              using result = new Tensor(backend, y, [m, n], float32);
              const expected = new Float32Array(m * n);
              for (let i = 0; i < m * n; i++) {
                const [row, column] = [Math.floor(i / n), i % n];
                const zw = w.zeroPoint[column * w.groups + only];
                for (let t = only * groupSize; t < (only + 1) * groupSize; t++) {
                  expected[i] += (x[row * k + t] - zx) * (w.values[column * k + t] - zw);
                }
              }
              assertEquals(await result.data(), expected, `(${m}, ${n}, ${k}) group ${only}`);
            }
          }
        }
      }
    }),
);

eachBackend(
  "a float input meets packed weights within float32's rounding",
  (device) =>
    eachTiling(device, async (backend) => {
      const cases: [k: number, groupSize: number, w: DType][] = [
        ...SIZES.flatMap((
          k,
        ): [number, number, DType][] => [[k, k, int8], [k, k, uint8], [k, k, int4]]),
        ...GROUPED.flatMap(([k, g]): [number, number, DType][] => [[k, g, uint4], [k, g, int4]]),
        [96, 16, int8],
        [96, 48, uint8],
      ];
      const shapes = [[1, 17], [3, 63], [17, 3], [65, 65]];
      for (const [i, [k, groupSize, wDtype]] of few([...cases.entries()], 5)) {
        let turn = 2 * i;
        for (const [m, n] of [shapes[turn % 4], shapes[(turn + 1) % 4]]) {
          const dtype = [float32, float16, bfloat16][turn++ % 3];
          const symmetric = turn % 4 === 0;
          const values = uniform(turn, m * k, -2, 2);
          poison(backend);
          const w = weight(backend, [n, k], wDtype, groupSize, false);
          using x = tensor(values, { shape: [m, k], dtype, device });
          using wScale = tensor(w.scale, { dtype: turn % 2 ? float32 : bfloat16, device });
          using wZeroPoint = tensor(w.zeroPoint, { dtype: turn % 2 ? wDtype : float32, device });
          using bias = tensor(uniform(3, n), { dtype, device });
          const y = backend.weightOnlyLinear(x.operand, w.packed, {
            wScale: wScale.operand,
            wZeroPoint: symmetric ? null : wZeroPoint.operand,
            bias: turn % 3 ? bias.operand : null,
          });
          using result = new Tensor(backend, y, [m, n], dtype);
          const [xs, scale, bs, ys] = await Promise.all(
            [x, wScale, bias, result].map((t) => t.data()),
          );
          for (let i = 0; i < m * n; i++) {
            const [row, column] = [Math.floor(i / n), i % n];
            let expected = turn % 3 ? bs[column] : 0;
            let size = Math.abs(expected);
            for (let t = 0; t < k; t++) {
              const group = column * w.groups + Math.floor(t / groupSize);
              const term = xs[row * k + t] * scale[group] *
                (w.values[column * k + t] - (symmetric ? 0 : w.zeroPoint[group]));
              expected += term;
              size += Math.abs(term);
            }
            const tolerance = size * 2 ** -22 + ulp(dtype, expected) * 0.501;
            assert(
              Math.abs(ys[i] - expected) <= tolerance,
              `(${m}, ${n}, ${k}/${groupSize}) ${dtype} by ${wDtype}, ${i}: ${
                ys[i]
              }, not ${expected}`,
            );
          }
        }
      }
    }),
);

eachBackend("rows quantized by their own range have the formula's bits", async (device) => {
  const backend = backendFor(device);
  for (const dtype of [float32, float16, bfloat16]) {
    for (const [rows, k] of [[1, 1], [3, 17], [17, 63], [33, 65], [40, 100], [1, 4099]]) {
      for (const quantMin of [-127, -128]) {
        const values = uniform(rows * k, rows * k, -3, 3);
        // Rows of very different sizes, one of zeros, one of subnormals.
        values.forEach((_, i) => values[i] *= 2 ** (Math.floor(i / k) * 3 % 17 - 8));
        if (rows > 2) values.fill(0, k, 2 * k);
        if (rows > 3) values.fill(1e-40, 3 * k, 4 * k);
        using x = tensor(values, { shape: [rows, k], dtype, device });
        const scaleDtype = dtype === float16 ? float32 : dtype;
        const productDtype = wider(dtype, scaleDtype, float32);
        const eps = rounded(dtype, 1e-5);
        const args = { quantMin, quantMax: 127, eps, scaleDtype, productDtype };
        poison(backend);
        const { packed, scale } = backend.quantizeRowsDynamic(x.operand, args);
        using scales = new Tensor(backend, scale, [rows], float32);
        using plain = new Tensor(backend, backend.unpackRows(packed), [rows, k], int8);
        using sums = new Tensor(backend, packed.sums!, [rows], int32);
        const [xs, gotScales, got, gotSums] = await Promise.all(
          [x, scales, plain, sums].map((t) => t.data()),
        );
        for (let r = 0; r < rows; r++) {
          const row = Array.from(xs.subarray(r * k, r * k + k));
          const largest = Math.max(...row.map(Math.abs));
          const scale = Math.max(rounded(dtype, largest / ((127 - quantMin) / 2)), eps);
          assertEquals(gotScales[r], scale, `${dtype} (${rows}, ${k}) row ${r}`);
          const spec = { scale, scaleDtype, productDtype, zeroPoint: 0, quantMin, quantMax: 127 };
          const expected = row.map((v) => quantizeOne(v, spec) + 0);
          assertEquals(Array.from(got.subarray(r * k, r * k + k)), expected);
          assertEquals(gotSums[r], expected.reduce((sum, v) => sum + v, 0));
        }
        backend.release(packed.data);
      }
    }
  }
});

eachBackend("a NaN or an infinity spoils its own row's scale alone", async (device) => {
  const backend = backendFor(device);
  using x = tensor([[1, 2], [NaN, 1], [Infinity, 1], [3, 4]], { device });
  const args = { quantMin: -127, quantMax: 127, eps: Math.fround(1e-5) };
  const { packed, scale } = backend.quantizeRowsDynamic(x.operand, {
    ...args,
    scaleDtype: float32,
    productDtype: float32,
  });
  using scales = new Tensor(backend, scale, [4], float32);
  assertEquals(
    [...await scales.data()],
    [Math.fround(2 / 127), NaN, Infinity, Math.fround(4 / 127)],
  );
  [packed.data, packed.sums!].forEach((buffer) => backend.release(buffer));
});
