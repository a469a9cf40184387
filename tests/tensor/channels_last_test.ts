import { assert, assertEquals, assertThrows } from "@std/assert";
import { channelsLastBytes, rowStride } from "../../lib/backend/channels_last.ts";
import {
  backendFor,
  bfloat16,
  type Device,
  type DType,
  float16,
  float32,
  int16,
  int32,
  int8,
  relu,
  Tensor,
  tensor,
  tidy,
  uint8,
} from "../../mod.ts";
import { decode } from "../../lib/numbers/encoding.ts";
import { eachBackend } from "../backends.ts";

const DTYPES = [float32, float16, bfloat16, int32, int16, int8, uint8];
const SHAPES = [[1, 3, 5, 7], [2, 4, 1, 1], [2, 16, 3], [3, 17, 2, 2, 2], [1, 1, 9], [4, 5], [
  2,
  8,
]];
const EMPTY = [[0, 3, 2, 2], [2, 0, 3], [2, 3, 0, 4]];

function counted(shape: number[], dtype: DType, device: Device): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const span = dtype.isFloat ? 200 : dtype.max - dtype.min + 1;
  const least = dtype.isFloat ? -100 : Math.max(dtype.min, -1000);
  const values = Array.from({ length }, (_, i) => least + (i * 37 + 1) % Math.min(span, 2000));
  return tensor(values, { shape, dtype, device });
}

/** What lies in memory once channels are last, pads and all. */
async function inRows(t: Tensor): Promise<number[]> {
  const bytes = await t.backend.read(t.channelsLast.buffer);
  return [...decode(bytes, t.dtype.itemSize === 1 ? int8 : t.dtype)];
}

eachBackend("channels come last, filled up with zeros, and go back", async (device) => {
  const backend = backendFor(device);
  for (const dtype of DTYPES) {
    for (const shape of [...SHAPES, ...EMPTY]) {
      const name = `${shape} ${dtype.name}`;
      using t = counted(shape, dtype, device);
      const values = [...await t.data()];
      const [n, c] = shape;
      const pixels = shape.slice(2).reduce((product, size) => product * size, 1);
      const expected = Array.from(
        { length: n * pixels },
        (_, p) =>
          Array.from({ length: rowStride(c, dtype) }, (_, i) => {
            if (i >= c) return 0;
            const value = values[(Math.floor(p / pixels) * c + i) * pixels + p % pixels];
            return dtype === uint8 ? value - 128 : value;
          }),
      ).flat();
      assertEquals(await inRows(t), expected, name);
      assertEquals(channelsLastBytes(shape, dtype), expected.length * dtype.itemSize, name);
      const rows = backend.copy(t.channelsLast.buffer);
      using back = Tensor.channelsLast(backend, rows, shape, dtype);
      assertEquals([...await back.data()], values, name);
    }
  }
});

eachBackend("both layouts are made once, and freed with the tensor", (device) => {
  const backend = backendFor(device);
  const before = backend.memory().liveBuffers;
  const t = counted([2, 5, 3, 3], float32, device);
  assert(!t.isChannelsLast);
  assert(t.channelsLast.buffer === t.channelsLast.buffer && t.isChannelsLast);
  assert(t.operand.buffer === t.operand.buffer);
  assertEquals(backend.memory().liveBuffers, before + 2);
  const flat = t.reshape(2, 5, -1); // the same pixels
  const other = t.reshape(10, 9);
  assert(flat.channelsLast.buffer === t.channelsLast.buffer);
  assert(other.operand.buffer === t.operand.buffer && !other.isChannelsLast);
  assertEquals(backend.memory().liveBuffers, before + 2);
  t.dispose();
  flat.dispose();
  assertEquals(backend.memory().liveBuffers, before + 1, "the rows are gone");
  other.dispose();
  assertEquals(backend.memory().liveBuffers, before);
  tidy(() => void counted([1, 3, 4, 4], float32, device).channelsLast);
  assertEquals(backend.memory().liveBuffers, before);
});

eachBackend("what is the same in both layouts lies in memory once", async (device) => {
  const backend = backendFor(device);
  const before = backend.memory().liveBuffers;
  const t = counted([3, 8, 1, 1], float32, device);
  const rows = Tensor.channelsLast(backend, backend.copy(t.channelsLast.buffer), t.shape, float32);
  using matrix = rows.reshape(3, 8);
  assertEquals(await matrix.data(), await t.data());
  assertEquals(backend.memory().liveBuffers, before + 2);
  [t, rows, matrix].forEach((t) => t.dispose());
  assertEquals(backend.memory().liveBuffers, before);
});

eachBackend("relu, clone and other devices keep the numbers of either layout", async (device) => {
  const backend = backendFor(device);
  using t = counted([2, 3, 3, 2], float32, device);
  const values = [...await t.data()];
  using rows = Tensor.channelsLast(backend, backend.copy(t.channelsLast.buffer), t.shape, float32);
  using positive = relu(rows);
  assert(positive.isChannelsLast);
  assertEquals([...await positive.data()], values.map((v) => Math.max(v, 0)));
  using copy = rows.clone();
  assert(copy.isChannelsLast);
  assertEquals([...await copy.data()], values);
  using half = rows.to(float16);
  assertEquals([...await half.data()], values);
  assertEquals([...await (await rows.to("cpu")).data()], values);
  assertThrows(() => tensor([1]).channelsLast, RangeError, "(N, C, …), got (1,)");
  rows.dispose();
  assertThrows(() => rows.channelsLast, Error, "was disposed");
});
