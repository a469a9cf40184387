/** Moving, resizing and reducing tensors that have their channels last: the same numbers as of any others. */
import { assertEquals } from "@std/assert";
import {
  argmax,
  bfloat16,
  cat,
  type Device,
  type DType,
  expand,
  flip,
  float16,
  float32,
  int32,
  int8,
  mean,
  permute,
  resize,
  slice,
  split,
  sum,
  Tensor,
  tensor,
  tidy,
  tile,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** A tensor that has its elements in order, and one that has the same with channels last. */
function both(shape: number[], dtype: DType, device: Device): [plain: Tensor, rows: Tensor] {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length }, (_, i) => (i * 37 + 11) % 101);
  const plain = tensor(values, { shape, dtype, device });
  const { backend } = plain;
  const rows = backend.toChannelsLast(plain.operand);
  return [plain, Tensor.channelsLast(backend, rows, shape, dtype)];
}

const SHAPES = [[2, 8, 3, 4], [1, 5, 4, 2], [2, 16, 1, 6], [1, 4, 7], [3, 32, 2, 2, 2]];

/** Each gives tensors of one with rank 3 or more. */
const MOVES: readonly [name: string, (x: Tensor) => Tensor | Tensor[]][] = [
  ["channels to the end", (x) => permute(x, [0, ...x.shape.map((_, d) => d).slice(2), 1])],
  [
    "the end to channels",
    (x) => permute(x, [0, x.ndim - 1, ...x.shape.map((_, d) => d).slice(1, -1)]),
  ],
  ["all turned round", (x) => permute(x, x.shape.map((_, d) => x.ndim - 1 - d))],
  ["pixels in one", (x) => permute(x.reshape(x.shape[0], x.shape[1], -1), [0, 2, 1])],
  ["half the channels", (x) => slice(x, 1, 0, x.shape[1] >> 1)],
  ["later channels", (x) => slice(x, 1, x.shape[1] >> 1)],
  ["every other channel", (x) => slice(x, 1, 0, undefined, 2)],
  ["part of a side", (x) => slice(x, -1, 1, undefined)],
  ["one image", (x) => slice(x, 0, 0, 1)],
  ["pieces", (x) => split(x, x.shape[1] >> 1, 1)],
  ["channels backwards", (x) => flip(x, 1)],
  ["a side backwards", (x) => flip(x, -1)],
  ["beside itself", (x) => cat([x, x, x], 1)],
  ["below itself", (x) => cat([x, x], 2)],
  ["images", (x) => cat([x, x], 0)],
  ["part of it beside it", (x) => cat([slice(x, 1, 0, 4), x], 1)],
  ["repeated", (x) => expand(slice(x, -1, 0, 1), x.shape)],
  ["tiled", (x) => tile(x, [2, 1, 3])],
  ["larger", (x) => resize(x, { scales: x.shape.map((_, d) => d < 2 ? 1 : 2) })],
  [
    "larger by parts",
    (x) => resize(x, { sizes: x.shape.map((size, d) => d < 2 ? size : size + 3) }),
  ],
];

const OF_FLOATS: readonly [name: string, (x: Tensor) => Tensor][] = [
  [
    "made of neighbours",
    (x) =>
      resize(x, { sizes: x.shape.map((size, d) => d < 2 ? size : 2 * size + 1), mode: "linear" }),
  ],
  [
    "made of many",
    (x) =>
      resize(x, {
        sizes: x.shape.map((size, d) => d < 2 ? size : 2 * size + 1),
        ...{ mode: "cubic", coordinateMode: "align_corners" },
      }),
  ],
];

const REDUCED: readonly [name: string, (x: Tensor) => Tensor][] = [
  ["pixels", (x) => sum(x, x.shape.map((_, d) => d).slice(2), { keepdim: true })],
  ["channels", (x) => sum(x, 1)],
  ["a side", (x) => sum(x, -1)],
  ["greatest channel", (x) => argmax(x, 1)],
];

eachBackend("moved, the numbers are the same in either order", async (device) => {
  for (const dtype of [float32, float16, bfloat16, int32, int8, uint8]) {
    for (const shape of SHAPES) {
      const [plain, rows] = both(shape, dtype, device);
      const changes = [...MOVES, ...REDUCED, ...dtype.isFloat ? OF_FLOATS : []];
      for (const [name, change] of changes) {
        const list = (x: Tensor) => tidy(() => [change(x)].flat());
        const [wanted, got] = [list(plain), list(rows.clone())];
        assertEquals(got.map((y) => y.shape), wanted.map((y) => y.shape), name);
        for (const [i, y] of got.entries()) {
          const what = `${name}: ${dtype.name} (${shape})`;
          assertEquals(await y.bytes(), await wanted[i].bytes(), what);
          if (y.ndim < 3) continue;
          // What lies in rows ends in zeros.
          const again = await wanted[i].backend.read(wanted[i].channelsLast.buffer);
          assertEquals(await y.backend.read(y.channelsLast.buffer), again, what);
        }
        [...wanted, ...got].forEach((y) => y.dispose());
      }
      plain.dispose();
      rows.dispose();
    }
  }
});

eachBackend("what can stay in its memory does", (device) => {
  const [, rows] = both([2, 8, 3, 4], float32, device);
  const before = rows.backend.memory().liveBuffers;
  using last = permute(rows, [0, 2, 3, 1]);
  using back = permute(last, [0, 3, 1, 2]);
  using lines = permute(rows.reshape(2, 8, 12), [0, 2, 1]);
  assertEquals([last.isChannelsLast, back.isChannelsLast], [false, true]);
  assertEquals(last.operand.buffer === rows.channelsLast.buffer, true);
  assertEquals(back.channelsLast.buffer === rows.channelsLast.buffer, true);
  assertEquals(lines.operand.buffer === rows.channelsLast.buffer, true);
  assertEquals(rows.backend.memory().liveBuffers, before);
});

eachBackend("results lie pixel by pixel where that is how they are made", (device) => {
  const [, rows] = both([2, 8, 3, 4], float32, device);
  using half = slice(rows, 1, 4, 8);
  using both_ = cat([rows, half], 1);
  using large = resize(rows, { scales: [1, 1, 2, 2] });
  using smooth = resize(rows, { scales: [1, 1, 2, 2], mode: "linear" });
  for (const y of [half, both_, large, smooth]) assertEquals(y.isChannelsLast, true);
});

eachBackend("long columns are added up in parts", async (device) => {
  const shape = [1, 8, 70, 90];
  const values = Array.from({ length: 8 * 6300 }, (_, i) => i % 7);
  using plain = tensor(values, { shape, device });
  using rows = Tensor.channelsLast(
    plain.backend,
    plain.backend.toChannelsLast(plain.operand),
    shape,
    float32,
  );
  using total = sum(rows, [2, 3]);
  const expected = Array.from(
    { length: 8 },
    (_, c) => values.slice(c * 6300, (c + 1) * 6300).reduce((a, b) => a + b, 0),
  );
  assertEquals([...await total.data()], expected);
  using even = mean(rows, [2, 3]);
  assertEquals([...await even.data()], expected.map((value) => Math.fround(value / 6300)));
});
