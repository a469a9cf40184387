/** Reductions, softmax, running sums and normalizing: dtypes, long rows, empty ones, what is refused. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  amax,
  amin,
  argmax,
  argmin,
  backendFor,
  batchNorm,
  bfloat16,
  bool,
  compile,
  cumsum,
  float16,
  float32,
  groupNorm,
  init,
  int16,
  int32,
  int8,
  layerNorm,
  logSoftmax,
  mean,
  Module,
  ones,
  prod,
  randn,
  rmsNorm,
  softmax,
  sum,
  type Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend, eachTiling } from "../backends.ts";

/** Each operation on floats that keeps them floats, of a (3, 5, 19) tensor. */
const OF_FLOATS: readonly [name: string, (x: Tensor) => Tensor][] = [
  ["sum", (x) => sum(x, [0, 2])],
  ["mean", (x) => mean(x, 1)],
  ["prod", (x) => prod(x, -1)],
  ["amax", (x) => amax(x, -1)],
  ["amin", (x) => amin(x, 0)],
  ["softmax", (x) => softmax(x, -1)],
  ["softmax columns", (x) => softmax(x, 1)],
  ["logSoftmax", (x) => logSoftmax(x, -1)],
  ["cumsum", (x) => cumsum(x, 1)],
  ["layerNorm", (x) => layerNorm(x, [19])],
  ["rmsNorm", (x) => rmsNorm(x, [5, 19], null, 1e-5)],
  ["groupNorm", (x) => groupNorm(x, 5)],
  ["batchNorm", (x) => batchNorm(x, zeros([5]), ones([5]))],
];

eachBackend("floats narrower than float32 are rounded once", async (device) => {
  await eachTiling(device, async () => {
    for (const dtype of [float16, bfloat16]) {
      using x = randn([3, 5, 19], { dtype });
      using wide = x.to(float32);
      for (const [name, op] of OF_FLOATS) {
        using y = op(x);
        using once = op(wide).to(dtype);
        assertStrictEquals(y.dtype, dtype);
        assertEquals(await y.data(), await once.data(), `${name} ${dtype.name}`);
      }
    }
  });
});

eachBackend("integers of every width, by rows and by columns", async (device) => {
  await eachTiling(device, async () => {
    for (const dtype of [int32, int16, int8, uint8, bool]) {
      const span = dtype === bool ? 2 : 11;
      const values = Array.from({ length: 4 * 21 }, (_, i) => (i * 17 + 3) % span);
      using x = tensor(values, { shape: [4, 21], dtype });
      const rows = [0, 1, 2, 3].map((r) => values.slice(r * 21, r * 21 + 21));
      const columns = Array.from({ length: 21 }, (_, c) => rows.map((row) => row[c]));
      const added = (list: number[]) => list.reduce((a, b) => a + b);
      for (const [dim, lists] of [[1, rows], [0, columns]] as const) {
        const cases: [Tensor, number[]][] = [
          [sum(x, dim), lists.map(added)],
          [amax(x, dim), lists.map((list) => Math.max(...list))],
          [amin(x, dim), lists.map((list) => Math.min(...list))],
          [argmax(x, dim), lists.map((list) => list.indexOf(Math.max(...list)))],
          [argmin(x, dim), lists.map((list) => list.indexOf(Math.min(...list)))],
        ];
        for (const [y, expected] of cases) assertEquals([...await y.data()], expected, dtype.name);
        const [total, most, , place] = cases.map(([y]) => y.dtype);
        assertEquals([total, most, place], [int32, dtype, int32]);
        cases.forEach(([y]) => y.dispose());
      }
      using running = cumsum(x, 1);
      assertStrictEquals(running.dtype, int32);
      assertEquals((await running.data()).at(-1), added(rows[3]));
    }
  });
  using wrapped = sum(tensor([2 ** 31 - 1, 1], { dtype: int32 }));
  assertEquals(await wrapped.item(), -(2 ** 31));
  using product = prod(tensor([65537, 65537, 3], { dtype: int32 }));
  assertEquals(await product.item(), Math.imul(Math.imul(65537, 65537), 3));
});

eachBackend("long rows are added up in parts, and stay exact to six digits", async (device) => {
  await eachTiling(device, async () => {
    for (const shape of [[1, 100_003], [3, 20_001], [2, 9_000, 2], [70_001]]) {
      using x = randn(shape);
      const values = [...await x.data()];
      const exact = values.reduce((all, v) => all + v, 0);
      using total = sum(x);
      assert(Math.abs(await total.item() - exact) < 1e-6 * values.length ** 0.5 * 4);
      using most = amax(x);
      assertEquals(await most.item(), values.reduce((a, b) => Math.max(a, b)));
      using place = argmin(x);
      const least = values.reduce((a, b) => Math.min(a, b));
      assertEquals(await place.item(), values.indexOf(least));
    }
    using large = mean(ones([1, 300_000]));
    assertEquals(await large.item(), 1);
  });
});

eachBackend("nothing adds up to nothing", async () => {
  using none = zeros([0, 3]);
  const cases: [Tensor, number[]][] = [
    [sum(none, 0), [0, 0, 0]],
    [sum(none), [0]],
    [prod(none, 0), [1, 1, 1]],
    [mean(none, 0), [NaN, NaN, NaN]],
    [sum(none, 1), []],
    [amax(none, 1), []],
    [softmax(none, 1), []],
    [softmax(none, 0), []],
    [cumsum(none, 0), []],
    [layerNorm(none, [3]), []],
    [layerNorm(zeros([3, 0]), [0]), []],
    [groupNorm(zeros([0, 4, 2]), 2), []],
    [sum(tensor(7)), [7]],
    [argmax(tensor(7)), [0]],
    [softmax(tensor(7), 0), [1]],
  ];
  for (const [y, expected] of cases) assertEquals([...await y.data()], expected, String(y));
});

eachBackend("the first of equal elements is found, and zeros of both signs are equal", async () => {
  using x = tensor([[-0, 0, 0], [3, 3, 1], [NaN, NaN, 9]]);
  using most = argmax(x, 1);
  using least = argmin(x, 1);
  assertEquals([...await most.data()], [0, 0, 0]);
  assertEquals([...await least.data()], [0, 2, 0]);
});

eachBackend(
  "a row of large numbers that hardly differ is normalized as it should be",
  async (device) => {
    await eachTiling(device, async () => {
      const values = Float32Array.from({ length: 200 }, (_, i) => 1000 + Math.fround(i % 7) / 64);
      const exact = values.reduce((all, v) => all + v, 0) / 200;
      const deviation = Math.sqrt(
        values.reduce((all, v) => all + (v - exact) ** 2, 0) / 200 + 1e-5,
      );
      using y = layerNorm(tensor(values, { shape: [1, 200] }), [200]);
      (await y.data()).forEach((v, i) =>
        assert(Math.abs(v - (values[i] - exact) / deviation) < 1e-5, `${i}: ${v}`)
      );
    });
  },
);

/** A head of attention without its products. */
class Scores extends Module {
  weight: Tensor = randn([33]).keep();
  forward(x: Tensor): Tensor {
    const y = layerNorm(softmax(x, -1), [33], this.weight);
    return sum(groupNorm(y, 2), [0, 2]);
  }
}

Deno.test("they are compiled [webgpu]", async () => {
  await init({ device: "webgpu" });
  for (const dtype of [float32, bfloat16]) {
    const model = new Scores();
    using compiled = compile(model);
    for (let turn = 0; turn < 2; turn++) {
      using x = randn([3, 4, 33], { dtype });
      using plain = model.forward(x);
      using fast = compiled.forward(x);
      assertEquals(await fast.data(), await plain.data());
    }
  }
});

eachBackend("what does not fit is refused, and nothing stays behind", (device) => {
  using x = zeros([2, 3]);
  using none = zeros([0, 3]);
  using two = zeros([2]);
  using whole = zeros([2, 3], { dtype: int32 });
  const { liveBuffers } = backendFor(device).memory();
  const cases: [() => unknown, string][] = [
    [() => sum(x, 2), "sum: there is no dimension 2 in shape (2, 3); give one from -2 to 1"],
    [() => sum(x, [0, -2]), "sum: a dimension is given twice in [0,-2]; give each once"],
    [() => amax(none), "amax: a tensor of shape (0, 3) has no elements along dimensions [0,1]"],
    [
      () => argmin(none, 0),
      "argmin: a tensor of shape (0, 3) has no elements along dimensions [0]",
    ],
    [() => softmax(x, 5), "softmax: there is no dimension 5"],
    [
      () => layerNorm(x, [2]),
      "layerNorm: the normalized shape must be that of the last dimensions",
    ],
    [() => layerNorm(x, [3], two), "layerNorm: the weight must have shape (3,), got (2,)"],
    [() => groupNorm(x, 2), "groupNorm: 2 groups do not divide the 3 channels of shape (2, 3)"],
    [() => batchNorm(x, two, two), "batchNorm: the running mean must have shape (3,), got (2,)"],
    [() => batchNorm(two, two, two), "batchNorm: expected an input of shape (N, C, …), got (2,)"],
  ];
  for (const [use, message] of cases) assertThrows(use, RangeError, message);
  for (const [name, op] of [["mean", mean], ["softmax", (t: Tensor) => softmax(t, 0)]] as const) {
    assertThrows(() => op(whole), TypeError, `${name}: expected a float tensor, got int32`);
  }
  assertThrows(
    () => sum(x, 0, { keepDim: true } as never),
    TypeError,
    'sum: there is no option "keepDim"; did you mean keepdim?',
  );
  for (const op of [sum, argmax, (t: Tensor) => sum(t, [0]), (t: Tensor) => softmax(t, 0)]) {
    op(x).dispose();
  }
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
});
