/** Moving elements: every dtype as it is, views, empty tensors, and what is refused. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  backendFor,
  bfloat16,
  bool,
  cat,
  compile,
  type DType,
  expand,
  flatten,
  flip,
  float16,
  float32,
  float8_e4m3fn,
  gather,
  gatherNd,
  indexSelect,
  init,
  int16,
  int32,
  int8,
  Module,
  pad,
  permute,
  randn,
  slice,
  split,
  squeeze,
  stack,
  type Tensor,
  tensor,
  tile,
  transpose,
  uint4,
  uint8,
  unflatten,
  unsqueeze,
  zeros,
} from "../../mod.ts";
import { numelOf } from "../../lib/numbers/shape.ts";
import { eachBackend } from "../backends.ts";

const DTYPES = [float32, float16, bfloat16, float8_e4m3fn, int32, int16, int8, uint8, uint4, bool];
/** With rows that are no whole words in any dtype, and such that are whole vectors in some or all. */
const SHAPES = [[2, 3, 5], [2, 3, 8], [4, 3, 16]];

const index = (values: number[], shape: number[]) => tensor(values, { shape, dtype: int32 });

/** Each way of moving, to results of sizes that are no whole words. */
const MOVES: readonly [name: string, move: (x: Tensor) => Tensor][] = [
  ["permute", (x) => permute(x, [2, 0, 1])],
  ["transpose", (x) => transpose(x, 1, 2)],
  ["expand", (x) => expand(slice(x, 1, 1, 2), [3, x.shape[0], 2, -1])],
  ["tile", (x) => tile(x, [1, 2, 2])],
  ["cat", (x) => cat([x, slice(x, 1, 0, 2), x], 1)],
  ["stack", (x) => stack([x, x], 3)],
  ["slice", (x) => slice(x, 2, 4, -6, -3)],
  ["flip", (x) => flip(x, [0, 2])],
  ["reflect", (x) => pad(x, [2, 1, 1, 1], { mode: "reflect" })],
  ["replicate", (x) => pad(x, [2, 1, 0, 4, 1, 0], { mode: "replicate" })],
  ["circular", (x) => pad(x, [5, 1, 1, 2], { mode: "circular" })],
  ["crop", (x) => pad(x, [-1, -1, 0, -1])],
  ["gather", (x) => gather(x, 1, index([0, 2, 1, -1, 0, 2, 1, 1, 0], [1, 3, 3]))],
  ["indexSelect", (x) => indexSelect(x, 1, index([2, -3, 0], [3, 1]))],
  ["gatherNd", (x) => gatherNd(x, index([1, -1, 0, 2], [2, 2]))],
];

/** Numbers that tell from one another as far as the dtype can. */
function distinct(shape: readonly number[], dtype: DType): Tensor {
  const values = Array.from({ length: numelOf(shape) }, (_, i) => (i * 11) % 31 - 15)
    .map((v) => Math.max(dtype.min, Math.min(v, dtype.max)));
  return tensor(values, { shape, dtype });
}

eachBackend("every dtype is moved as its bits are", async () => {
  for (const shape of SHAPES) {
    const numbers = Array.from({ length: numelOf(shape) }, (_, i) => i);
    using places = tensor(numbers, { shape, dtype: int32 });
    const inputs = DTYPES.map((dtype) => distinct(shape, dtype));
    for (const [name, move] of MOVES) {
      using from = move(places);
      const order = [...await from.data()];
      for (const x of inputs) {
        using y = move(x);
        assertStrictEquals(y.dtype, x.dtype);
        assertEquals(y.shape, from.shape);
        const values = await x.data();
        const expected = order.map((place) => values[place]);
        assertEquals([...await y.data()], expected, `${name} ${x}`);
      }
    }
    inputs.forEach((x) => x.dispose());
  }
});

eachBackend("NaNs and the constant of a border come out in every dtype", async () => {
  for (
    const [dtype, value] of [[float16, 0.1], [bfloat16, -Infinity], [int8, -7], [
      uint8,
      255,
    ]] as const
  ) {
    using x = tensor([1], { dtype });
    using y = pad(x, [1, 3], { value });
    using expected = tensor([value, 1, value, value, value], { dtype });
    assertEquals(await y.data(), await expected.data(), dtype.name);
  }
  using nan = tensor([NaN, 1]);
  using turned = flip(nan, 0);
  assertEquals([...await turned.data()], [1, NaN]);
});

eachBackend("what lies in memory as it is becomes a view", (device) => {
  using x = zeros([1, 3, 1, 4]);
  const { liveBuffers } = backendFor(device).memory();
  const views = [
    permute(x, [1, 0, 2, 3]),
    transpose(x, 0, 2),
    expand(x, [1, -1, 1, 4]),
    slice(x, 1),
    squeeze(x),
    squeeze(x, [0, 1]),
    unsqueeze(x, -1),
    flatten(x, 1),
    unflatten(x, -1, [2, 2]),
    pad(x, [0, 0]),
    flip(x, 0),
    ...split(x, 3, 1),
  ];
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
  assertEquals(views.map((view) => view.shape), [
    [3, 1, 1, 4],
    [1, 3, 1, 4],
    [1, 3, 1, 4],
    [1, 3, 1, 4],
    [3, 4],
    [3, 1, 4],
    [1, 3, 1, 4, 1],
    [1, 12],
    [1, 3, 1, 2, 2],
    [1, 3, 1, 4],
    [1, 3, 1, 4],
    [1, 3, 1, 4],
  ]);
  views.forEach((view) => view.dispose());
});

eachBackend("empty tensors move too", async () => {
  using x = zeros([0, 3]);
  const moved = [
    permute(x, [1, 0]),
    tile(x, [2, 2]),
    cat([x, x], 0),
    cat([x, zeros([2, 3])], 0),
    slice(x, 1, 1, 2),
    flip(x, [0, 1]),
    pad(x, [1, 1, 1, 0]),
    indexSelect(x, 1, index([0, 2], [2])),
    indexSelect(zeros([3, 2]), 0, index([], [0])),
  ];
  const shapes = [[3, 0], [0, 6], [0, 3], [2, 3], [0, 1], [0, 3], [1, 5], [0, 2], [0, 2]];
  assertEquals(moved.map((y) => y.shape), shapes);
  for (const y of moved) assertEquals([...await y.data()], new Array(y.numel).fill(0));
});

eachBackend("large tensors, and as many as hundred to put together", async () => {
  using x = tensor(Int32Array.from({ length: 300 * 501 }, (_, i) => i), {
    shape: [300, 501],
    dtype: int32,
  });
  using y = transpose(x, 0, 1);
  const ys = await y.data();
  assertEquals(ys.findIndex((v, i) => v !== (i % 300) * 501 + Math.floor(i / 300)), -1);
  const parts = split(x, 3);
  using z = cat(parts);
  assertEquals(await z.data(), await x.data());
  parts.forEach((part) => part.dispose());
});

/** Moves alone. */
class Moves extends Module {
  forward(x: Tensor): Tensor {
    const parts = split(permute(x, [1, 0]), 1);
    return pad(flip(cat(parts.reverse(), 1), 0), [1, 0], { mode: "reflect" });
  }
}

Deno.test("moves are compiled [webgpu]", async () => {
  await init({ device: "webgpu" });
  using compiled = compile(new Moves());
  for (let turn = 0; turn < 2; turn++) {
    using x = randn([3, 11]);
    using plain = new Moves().forward(x);
    using fast = compiled.forward(x);
    assertEquals(await fast.data(), await plain.data());
  }
});

eachBackend("what does not fit is refused, and nothing stays behind", (device) => {
  using x = zeros([2, 3]);
  using i = index([0, 1], [2]);
  using float = zeros([2]);
  using other = zeros([3, 2]);
  using none = zeros([0, 3]);
  using triple = index([0, 0, 0], [1, 3]);
  const { liveBuffers } = backendFor(device).memory();
  const cases: [() => unknown, string][] = [
    [
      () => permute(x, [0]),
      "permute: the dimensions must be those of shape (2, 3) in another order, got [0]",
    ],
    [() => permute(x, [0, 0]), "permute: a dimension is given twice"],
    [
      () => transpose(x, 0, 2),
      "transpose: there is no dimension 2 in shape (2, 3); give one from -2 to 1",
    ],
    [() => expand(x, [2, 4]), "expand: shape (2, 3) does not expand to (2, 4)"],
    [() => tile(x, [-1]), "tile: repeats are non-negative integers"],
    [() => cat([]), "cat: there is nothing in the list"],
    [() => cat([x, other]), "cat: shapes (2, 3) and (3, 2) do not fit along dimension 0"],
    [() => stack([x, i]), "stack: shapes (2, 3) and (2,) differ"],
    [() => slice(x, 0, 0, 1, 0), "slice: the step is 0"],
    [
      () => split(x, [1, 3], 1),
      "split: sizes [1,3] do not cut dimension 1 of shape (2, 3) into pieces",
    ],
    [() => split(x, 0), "split: sizes 0 do not cut"],
    [
      () => pad(x, [1]),
      "pad: the padding [1] must be integers, a pair for each of at most 2 dimensions",
    ],
    [
      () => pad(x, [3, 0], { mode: "reflect" }),
      "pad: [3, 0] does not fit dimension 1 of shape (2, 3)",
    ],
    [() => pad(x, [-2, -2]), "pad: [-2, -2] does not fit"],
    [() => gather(x, 0, i), "gather: an index of shape (2,) does not fit an input of shape (2, 3)"],
    [
      () => indexSelect(none, 0, i),
      "indexSelect: dimension 0 of shape (0, 3) has no elements",
    ],
    [
      () => gatherNd(x, triple),
      "gatherNd: an index of shape (1, 3) does not fit",
    ],
    [() => flatten(x, 1, 0), "flatten: dimension 1 lies behind 0"],
  ];
  for (const [use, message] of cases) assertThrows(use, RangeError, message);
  assertThrows(() => cat(x as unknown as Tensor[]), TypeError, "cat: expected an array of Tensors");
  assertThrows(
    () => indexSelect(x, 0, float),
    TypeError,
    "indexSelect: the index must be a tensor of integers, such as int32, got float32",
  );
  assertThrows(() => pad(x, [1, 1], { mode: "edge" as "reflect" }), TypeError, "pad: mode is");
  assertThrows(() => slice(x, 0, 0.5), TypeError, "slice: start must be an integer, got 0.5");
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
});

Deno.test("an index that points outside is refused [cpu]", async () => {
  await init({ device: "cpu" });
  assertThrows(
    () => indexSelect(zeros([2, 3]), 0, index([2], [1])),
    RangeError,
    "index 2 points outside of a dimension of size 2; indices run from -2 to 1",
  );
});

Deno.test("an index that points outside is brought inside [webgpu]", async () => {
  await init({ device: "webgpu" });
  using y = indexSelect(tensor([1, 2, 3]), 0, index([7, -9], [2]));
  assertEquals([...await y.data()], [3, 1]);
});
