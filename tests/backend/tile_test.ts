import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { PooledBuffer } from "../../lib/backend/webgpu/pool.ts";
import type { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import { linearKernel, linearSteps } from "../../lib/backend/webgpu/kernels/linear.ts";
import { MATMUL_FIELDS } from "../../lib/backend/webgpu/kernels/product.ts";
import { packedLinearKernel } from "../../lib/backend/webgpu/kernels/packed_linear.ts";
import {
  candidateTiles,
  chooseTile,
  FEW_ROWS,
  matmulWorkgroups,
  type Tile,
} from "../../lib/backend/webgpu/kernels/tile.ts";
import {
  backendFor,
  float32,
  init,
  int32,
  type PackedRows,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { few } from "../backends.ts";

/** Every tile that a device with such subgroups may choose, with numbers of rows that it is chosen for. */
function tiles(subgroup: number, bytes = false): Map<string, { tile: Tile; rows: number[] }> {
  const found = new Map<string, { tile: Tile; rows: number[] }>();
  for (const m of [1, 2, 3, 8, 17, 65]) {
    for (const tile of candidateTiles({ m, n: 1024, subgroup, bytes }, true)) {
      const entry = found.get(tile.name) ?? { tile, rows: [] };
      entry.rows.push(m);
      found.set(tile.name, entry);
    }
  }
  return found;
}

/** Bytes that reach both ends, 0 and 255, often. */
function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    if (i % 11 === 3) return 0;
    if (i % 13 === 5) return 255;
    return Math.imul(i + seed, 2654435761) >>> 24;
  });
}

/** A buffer of `size` bytes of garbage. */
function poisoned(backend: WebGpuBackend, size: number): PooledBuffer {
  const garbage = backend.upload(new Uint8Array(size).fill(0xa5)) as PooledBuffer;
  return garbage;
}

Deno.test("every tile that may be chosen gives the exact int32 sums [webgpu]", async (t) => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu") as WebGpuBackend;
  const { runtime } = backend;
  const [zx, zw] = [101, 37];
  const upload = (value: number) =>
    backend.upload(new Uint8Array(Float32Array.of(value).buffer)) as PooledBuffer;
  const [xZeroPoint, wZeroPoint] = [upload(zx), upload(zw)];
  const pack = (values: Uint8Array, shape: number[]): PackedRows => {
    using q = tensor(values, { shape, dtype: uint8 });
    return backend.packRows(q.operand);
  };
  const spec = {
    xOffset: 128,
    wOffset: 128,
    xPerRow: false,
    wParams: "one",
    xZeroPoint: true,
    wZeroPoint: true,
    bias: undefined,
    output: int32,
    xSums: false, // so that the sums of rows are added up by the tile too
  } as const;

  for (const { tile, rows } of few([...tiles(backend.subgroupSize, true).values()], 10)) {
    await t.step(tile.name, async () => {
      const kernel = packedLinearKernel(spec, tile);
      const sizes = rows.flatMap((m) => [[m, 63, 1000], [m, 1, 17], [m, 65, 1], [m, 3, 1023]]);
      for (const [m, n, k] of [...sizes, [rows[0], 1023, 65]]) {
        const [x, w] = [bytes(m * k, 1), bytes(n * k, 2)];
        const expected = Int32Array.from({ length: m * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          let sum = 0;
          for (let s = 0; s < k; s++) sum += (x[i * k + s] - zx) * (w[j * k + s] - zw);
          return sum;
        });
        const [px, pw] = [pack(x, [m, k]), pack(w, [n, k])];
        const y = poisoned(backend, m * n * 4);
        const buffers = [px.data, pw.data, pw.sums!, xZeroPoint, wZeroPoint, y] as PooledBuffer[];
        const params = [m, n, k, Math.ceil(k / 16)];
        const rest = new Array(MATMUL_FIELDS.length - params.length).fill(0);
        runtime.dispatch(kernel, buffers, [...params, ...rest], matmulWorkgroups(m, n, tile));
        using result = new Tensor(backend, y, [m, n], int32);
        assertEquals(await result.data(), expected, `(${m}, ${n}, ${k})`);
        [px, pw].forEach(({ data, sums }) => [data, sums!].forEach((b) => backend.release(b)));
      }
    });
  }
});

Deno.test("every tile that may be chosen gives the float sums [webgpu]", async (t) => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu") as WebGpuBackend;
  const { runtime } = backend;
  const upload = (values: Float32Array) =>
    backend.upload(new Uint8Array(values.buffer)) as PooledBuffer;
  for (const { tile, rows } of few([...tiles(backend.subgroupSize).values()], 10)) {
    await t.step(tile.name, async () => {
      for (const [m, n, k] of rows.map((m) => [m, 63, 68])) {
        const x = Float32Array.from({ length: m * k }, (_, i) => Math.sin(i * 12.9898));
        const w = Float32Array.from({ length: n * k }, (_, i) => Math.cos(i * 78.233));
        const spec = { dtype: float32, k, bias: undefined, output: float32 };
        const kernel = linearKernel(spec, tile);
        const y = poisoned(backend, m * n * 4);
        const params = [m, n, k, linearSteps(spec), 0, 0, 0];
        runtime.dispatch(kernel, [upload(x), upload(w), y], params, matmulWorkgroups(m, n, tile));
        using result = new Tensor(backend, y, [m, n], float32);
        const actual = await result.data();
        for (let i = 0; i < m * n; i++) {
          let sum = 0;
          for (let s = 0; s < k; s++) sum += x[Math.floor(i / n) * k + s] * w[(i % n) * k + s];
          assertAlmostEquals(actual[i], sum, 1e-4);
        }
      }
    });
  }
});

Deno.test("the rule's tile is the first candidate, and inexact sums keep its order", () => {
  for (const subgroup of [1, 4, 8, 32]) {
    for (const m of [1, 2, 5, 8, 9, 31, 64, 1000]) {
      for (const grouped of [false, true]) {
        const product = { m, n: 512, subgroup, grouped };
        const rule = chooseTile(product);
        assertEquals(candidateTiles(product, true)[0].name, rule.name);
        for (const tile of candidateTiles(product, false)) {
          const lanes = ({ sharing, lanes }: Tile) => sharing === "k" ? lanes : 1;
          assertEquals(lanes(tile), lanes(rule));
        }
        assert(rule.sharing !== "k" || m <= FEW_ROWS && !grouped);
        const packed = candidateTiles({ ...product, packed: true }, true);
        assert(packed.every(({ columns }) => columns % 4 === 0));
        const unpacked = candidateTiles({ ...product, unpacked: true }, true);
        assert(unpacked.every(({ sharing }) => sharing !== "stage"));
        // Chromium's software adapter, which runs out of memory where it compiles large ones.
        if (subgroup === 4) {
          const all = [...candidateTiles(product, true), ...packed, ...unpacked];
          assert(all.every(({ rows, columns }) => rows * columns <= 32));
        }
      }
    }
  }
});
