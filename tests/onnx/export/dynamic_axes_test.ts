import { assertEquals, assertRejects } from "@std/assert";
import {
  add,
  cat,
  Conv2d,
  type DynamicAxes,
  Embedding,
  eq,
  exportOnnx,
  type ExportOnnxOptions,
  GRU,
  init,
  int32,
  LayerNorm,
  Linear,
  LSTM,
  manualSeed,
  matmul,
  MaxPool2d,
  mean,
  Module,
  mul,
  MultiheadAttention,
  permute,
  randn,
  scaledDotProductAttention,
  slice,
  softmax,
  sub,
  type Tensor,
  tensor,
  TransformerEncoderLayer,
  Upsample,
} from "../../../mod.ts";
import { assertClose, graphIn } from "../model.ts";
import { Computed, run } from "./exported.ts";

await init({ device: "cpu" });

/** The sizes of an input or an output, as its file says them. */
function dimsOf({ type }: ReturnType<typeof graphIn>["input"][number]): unknown[] {
  if (type?.value.case !== "tensorType") return [];
  return type.value.value.shape!.dim.map(({ value: { value } }) =>
    typeof value === "bigint" ? Number(value) : value
  );
}

/** Integers of int32. */
function integers(values: Int32Array, shape: number[]): Tensor {
  return tensor(values, { shape, dtype: int32 });
}

/** 0, 1, …, as an index. */
function upTo(count: number): Tensor {
  return integers(Int32Array.from({ length: count }, (_, i) => i), [count]);
}

/** Asserts that a file computes what its model does, for inputs of these sizes. */
async function agrees(model: Module, bytes: Uint8Array<ArrayBuffer>, inputs: readonly Tensor[][]) {
  for (const xs of inputs) {
    const y = model.forward(...xs);
    const [{ data, dims }] = await run(bytes, xs);
    assertEquals([...dims], [...y.shape]);
    assertClose(Float32Array.from(data as Float32Array, Number), await y.data(), 2e-5);
  }
}

/** Tokens, positions from a table, attention with padding. */
class Encoder extends Module {
  words = new Embedding(20, 8);
  places = new Embedding(12, 8);
  block = new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, batchFirst: true });
  head = new Linear(8, 3);
  override forward(ids: Tensor, mask: Tensor): Tensor {
    const x = add(this.words.forward(ids), this.places.forward(upTo(ids.shape[1])));
    return this.head.forward(this.block.forward(x, null, eq(mask, 0)));
  }
}

Deno.test("exportOnnx: sentences of any length, any number at once", async () => {
  manualSeed(1);
  const model = new Encoder();
  const inputs = (n: number, length: number) => {
    const ids = Int32Array.from({ length: n * length }, (_, i) => (i * 7) % 20);
    const mask = ids.map((_, i) => Number(i % length < length - 1));
    return [integers(ids, [n, length]), integers(mask, [n, length])];
  };
  const open = { 0: "batch", 1: "length" };
  const bytes = await exportOnnx(model, inputs(1, 12), {
    inputNames: ["ids", "mask"],
    outputName: "tags",
    dynamicAxes: { ids: open, mask: open },
  });
  const { input, output } = graphIn(bytes);
  assertEquals([...input, ...output].map(dimsOf), [["batch", "length"], ["batch", "length"], [
    "batch",
    "length",
    3,
  ]]);
  await agrees(model, bytes, [inputs(2, 12), inputs(1, 2), inputs(4, 5), inputs(3, 1 + 1)]);
});

/** Images of any size, seen at two sizes. */
class Pyramid extends Module {
  conv = new Conv2d(3, 4, 3, { padding: 1 });
  pool = new MaxPool2d(2);
  up = new Upsample({ scaleFactor: 2 });
  last = new Conv2d(8, 2, 1);
  override forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return this.last.forward(cat([y, this.up.forward(this.pool.forward(y))], 1));
  }
}

/** Attention over the pixels. */
class Pixels extends Module {
  conv = new Conv2d(3, 8, 3, { stride: 2 });
  norm = new LayerNorm(8);
  attention = new MultiheadAttention(8, 2, { batchFirst: true });
  override forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    const [n, channels, height, width] = y.shape;
    const rows = permute(y.reshape(n, channels, height * width), [0, 2, 1]);
    return mean(this.attention.forward(this.norm.forward(rows)), 1);
  }
}

Deno.test("exportOnnx: images of any size, attended to pixel by pixel", async () => {
  manualSeed(2);
  const model = new Pixels();
  const dynamicAxes = { input: { 0: "batch", 2: "height", 3: "width" } };
  const bytes = await exportOnnx(model, randn([2, 3, 9, 12]), { dynamicAxes });
  await agrees(
    model,
    bytes,
    [[3, 9], [1, 31], [2, 5]].map(([n, size]) => [
      randn([n, 3, size, size + 4]),
    ]),
  );
});

Deno.test("exportOnnx: one size open, the others as the example's", async () => {
  manualSeed(3);
  const model = new Pyramid();
  const bytes = await exportOnnx(model, randn([1, 3, 8, 8]), {
    dynamicAxes: { input: { 0: "samples" }, output: { 0: "maps" } },
  });
  assertEquals(dimsOf(graphIn(bytes).output[0]), ["maps", 2, 8, 8]);
  await agrees(model, bytes, [[randn([4, 3, 8, 8])], [randn([1, 3, 8, 8])]]);
});

type Case = [(...inputs: Tensor[]) => Tensor, open: DynamicAxes, ...shapes: number[][][]];

const T = { input: { 0: "batch", 1: "time" } };
const PAIR = { input_0: { 0: "batch", 1: "queries" }, input_1: { 0: "batch", 1: "keys" } };

const CASES: Record<string, Case> = {
  "a causal mask": [
    (x) => scaledDotProductAttention(x, x, x, { isCausal: true }),
    T,
    [[2, 8, 4]],
    [[1, 3, 4]],
  ],
  "two lengths": [
    (x, y) => matmul(softmax(matmul(x, y, { transposeB: true }), -1), y),
    PAIR,
    [[2, 6, 4], [2, 5, 4]],
    [[3, 2, 4], [3, 7, 4]],
  ],
  "products of sizes": [
    (x) => x.reshape(x.shape[0] * x.shape[1], 2, 2),
    T,
    [[2, 6, 4]],
    [[3, 2, 4]],
  ],
  "heads, and back": [
    (x) => {
      const [n, length] = x.shape;
      const heads = permute(x.reshape(n, length, 2, 2), [0, 2, 1, 3]);
      return heads.reshape(n * 2, length, 2);
    },
    T,
    [[2, 6, 4]],
    [[3, 2, 4]],
  ],
  "neighbours": [
    (x) => sub(slice(x, 1, 1, x.shape[1]), slice(x, 1, 0, x.shape[1] - 1)),
    T,
    [[2, 6, 4]],
    [[3, 2, 4]],
  ],
  "positions": [
    (x) => mul(x, add(upTo(x.shape[1]), 1).reshape(x.shape[1], 1)),
    T,
    [[2, 9, 4]],
    [[3, 2, 4]],
  ],
};

for (const [what, [compute, dynamicAxes, ...shapes]] of Object.entries(CASES)) {
  Deno.test(`exportOnnx: open sizes: ${what}`, async () => {
    manualSeed(4);
    const model = new Computed(compute);
    const inputs = shapes.map((each) => each.map((shape) => randn(shape)));
    await agrees(model, await exportOnnx(model, inputs[0], { dynamicAxes }), inputs);
  });
}

for (const Layer of [LSTM, GRU]) {
  Deno.test(`exportOnnx: open sizes: ${Layer.name}`, async () => {
    manualSeed(5);
    const model = new Layer(4, 3, { batchFirst: true });
    const bytes = await exportOnnx(model, randn([2, 6, 4]), { dynamicAxes: T });
    await agrees(model, bytes, [[randn([2, 6, 4])], [randn([3, 9, 4])]]);
  });
}

Deno.test("exportOnnx: a number that is another for each number of samples keeps that number fixed", async () => {
  const model = new Computed((x) => mul(x, tensor([x.shape[0]])));
  const x = randn([4, 3]);
  const bytes = await exportOnnx(model, x);
  assertEquals(dimsOf(graphIn(bytes).input[0]), [4, 3]);
  await agrees(model, bytes, [[x]]);
});

Deno.test("exportOnnx: what cannot stay open is said, and where", async () => {
  const asks = (
    compute: (...inputs: Tensor[]) => Tensor,
    options: unknown,
    error: typeof TypeError | typeof RangeError,
    message: string,
    inputs = [randn([2, 6, 4])],
  ) =>
    assertRejects(
      () => exportOnnx(new Computed(compute), inputs, options as ExportOnnxOptions),
      error,
      message,
    );
  const same = (x: Tensor) => add(x, 1);
  const open = { dynamicAxes: T };
  const scaled = (x: Tensor) => mul(x, tensor([1 / x.shape[1]]));
  await asks(scaled, open, TypeError, "a constant that it makes is another for other sizes");
  const flat = (x: Tensor) => x.shape[1] > 5 ? add(x, 1) : x;
  await asks(flat, open, TypeError, "(batch, time): at ");
  const axes = (dynamicAxes: unknown) => ({ dynamicAxes });
  await asks(same, axes({ x: { 0: "n" } }), RangeError, "names no dimension of an input");
  await asks(same, axes({ ...T, y: { 0: "n" } }), RangeError, "y is no input and no output");
  await asks(same, axes({ input: { 3: "n" } }), RangeError, "3 is no dimension of a tensor");
  await asks(same, axes({ input: { 0: "" } }), TypeError, "must be a word");
  await asks(same, axes({ input: [0, 1] }), TypeError, "takes the dimensions with their names");
  await asks(
    same,
    axes({ input: { 0: "n", 1: "n" } }),
    RangeError,
    "n is 2 in one example and 6 in dimension 1 of input, (2, 6, 4)",
  );
  const fixed = axes({ ...T, output: { 2: "width" } });
  await asks(same, fixed, RangeError, "dimension 2 of output is 4 whatever the inputs are");
  await asks(same, { dynamicAxis: T }, TypeError, "dynamicAxis");
});
