import { assertEquals } from "@std/assert";
import {
  type Backend,
  backendFor,
  type DType,
  float32,
  int32,
  int8,
  type PackedRows,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";

/** Numbers that repeat with a long period and reach both ends of the dtype. */
function integers(dtype: DType, length: number, seed: number): number[] {
  const span = dtype.max - dtype.min + 1;
  return Array.from({ length }, (_, i) => {
    if (i % 11 === 3) return dtype.min;
    if (i % 13 === 5) return dtype.max;
    return dtype.min + (Math.imul(i + seed, 2654435761) >>> 8) % span;
  });
}

/** Leaves garbage in the buffers that the next operations will reuse. */
function poison(backend: Backend, bytes: number): void {
  const garbage = new Uint8Array(bytes).fill(0xa5);
  const buffers = Array.from({ length: 4 }, () => backend.upload(garbage));
  buffers.forEach((buffer) => backend.release(buffer));
}

function pack(backend: Backend, values: number[], shape: number[], dtype: DType): PackedRows {
  poison(backend, shape[0] * Math.ceil(shape[1] / 16) * 16);
  poison(backend, shape[0] * 4);
  using q = tensor(values, { shape, dtype, device: backend.device });
  return backend.packRows(q.operand);
}

async function checkProduct(
  backend: Backend,
  [m, n, k]: number[],
  xDtype: DType,
  wDtype: DType,
  perRow: boolean,
): Promise<void> {
  const { device } = backend;
  const x = integers(xDtype, m * k, 1);
  const w = integers(wDtype, n * k, 2);
  const zx = xDtype.min + 101;
  const zw = Array.from({ length: perRow ? n : 1 }, (_, j) => wDtype.min + (j * 37) % 256);
  const expected = new Int32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let t = 0; t < k; t++) {
        sum += (x[i * k + t] - zx) * (w[j * k + t] - zw[perRow ? j : 0]);
      }
      expected[i * n + j] = sum;
    }
  }
  const px = pack(backend, x, [m, k], xDtype);
  const pw = pack(backend, w, [n, k], wDtype);
  const one = tensor([1], { device });
  const xZeroPoint = tensor([zx], { device });
  const wZeroPoint = tensor(zw, { device });
  poison(backend, m * n * 4);
  const y = backend.packedLinear(px, pw, {
    xScale: one.operand.buffer,
    xZeroPoint: xZeroPoint.operand.buffer,
    wScale: one.operand.buffer,
    wZeroPoint: wZeroPoint.operand.buffer,
    wParamCount: zw.length,
    bias: null,
    outputDtype: int32,
  });
  using result = new Tensor(backend, y, [m, n], int32);
  assertEquals(
    await result.data(),
    expected,
    `(${m}, ${n}, ${k}), ${xDtype.name} × ${wDtype.name}, zero points ${perRow ? "a row" : "one"}`,
  );
  const unpacked = new Tensor(backend, backend.unpackRows(pw), [n, k], wDtype);
  assertEquals([...await unpacked.data()], w, "unpacking gives back what was packed");
  [one, xZeroPoint, wZeroPoint, unpacked].forEach((t) => t.dispose());
  for (const { data, sums } of [px, pw]) [data, sums!].forEach((b) => backend.release(b));
}

const SIZES = [1, 3, 17, 63, 65];
const CUBE = SIZES.flatMap((m) => SIZES.flatMap((n) => SIZES.map((k) => [m, n, k])));
const PAIRS = [[uint8, uint8], [int8, int8], [uint8, int8], [int8, uint8]];

eachBackend(
  "packedLinear's int32 sums are exact for all 8-bit pairs and odd sizes",
  (device) =>
    eachTiling(device, async (backend) => {
      for (const [turn, sizes] of few([...CUBE.entries()], 14)) {
        const [xDtype, wDtype] = PAIRS[turn % 4];
        await checkProduct(backend, sizes, xDtype, wDtype, (turn + 1) % 3 > 0);
      }
      for (const k of [1000, 1023]) {
        await checkProduct(backend, [17, 33, k], uint8, uint8, true);
        await checkProduct(backend, [1, 63, k], int8, int8, false);
      }
    }),
);

eachBackend(
  "packedLinear does not overflow at the largest K that is let through",
  async (device) => {
    const backend = backendFor(device);
    const k = Math.floor((2 ** 31 - 1) / 255 ** 2);
    const x = pack(backend, new Array(k).fill(255), [1, k], uint8);
    const w = pack(backend, [...new Array(k).fill(255), ...new Array(k).fill(0)], [2, k], uint8);
    const one = tensor([1], { device });
    const zx = tensor([0], { device });
    const zw = tensor([0, 255], { device });
    const y = backend.packedLinear(x, w, {
      xScale: one.operand.buffer,
      xZeroPoint: zx.operand.buffer,
      wScale: one.operand.buffer,
      wZeroPoint: zw.operand.buffer,
      wParamCount: 2,
      bias: null,
      outputDtype: int32,
    });
    const result = new Tensor(backend, y, [1, 2], int32);
    assertEquals([...await result.data()], [k * 255 ** 2, -k * 255 ** 2]);
  },
);

eachBackend("quantizeRows packs what quantizeAffine gives, with its row sums", async (device) => {
  const backend = backendFor(device);
  for (const [rows, k] of [[1, 1], [1, 4099], [3, 17], [40, 65], [33, 16]]) {
    for (const dtype of [uint8, int8]) {
      const values = Float32Array.from({ length: rows * k }, (_, i) => Math.sin(i * 12.9898) * 4);
      using x = tensor(values, { shape: [rows, k], device });
      using inverseScale = tensor([1 / 0.03125], { device });
      using zeroPoint = tensor([dtype.min + 120], { device });
      const args = {
        inverseScale: inverseScale.operand.buffer,
        zeroPoint: zeroPoint.operand.buffer,
        quantMin: dtype.min,
        quantMax: dtype.max,
        productDtype: float32,
        outputDtype: dtype,
      };
      poison(backend, rows * Math.ceil(k / 16) * 16);
      poison(backend, rows * 4);
      const packed = backend.quantizeRows(x.operand, args);
      const plain = backend.quantizeAffine(x.operand, { ...args, blockSize: [rows, k] });
      using fromPacked = new Tensor(backend, backend.unpackRows(packed), [rows, k], dtype);
      using expected = new Tensor(backend, plain, [rows, k], dtype);
      const q = Array.from(await expected.data());
      assertEquals([...await fromPacked.data()], q);
      using sums = new Tensor(backend, packed.sums!, [rows], int32);
      const offset = dtype === uint8 ? 128 : 0;
      assertEquals(
        [...await sums.data()],
        Array.from(
          { length: rows },
          (_, r) => q.slice(r * k, r * k + k).reduce((sum, v) => sum + v - offset, 0),
        ),
      );
      backend.release(packed.data);
    }
  }
});
