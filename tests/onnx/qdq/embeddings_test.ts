import { assert, assertEquals } from "@std/assert";
import {
  autoQuantize,
  init,
  inspectOnnx,
  type OnnxFeeds,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
  rankNodes,
  readTensor,
} from "../../../mod.ts";
import type { NodeProto, TensorProto } from "../../../lib/onnx/file/proto.ts";
import { messages } from "../files.ts";
import { optimized } from "../model.ts";
import { floats, ints, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]): TensorProto {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** A table whose rows are of very different size. */
function table(name: string, rows: number, columns: number): TensorProto {
  const data = Array.from(noise(rows, columns).data as Float32Array);
  return floats(name, [rows, columns], data.map((x, i) => x * 4 ** (Math.floor(i / columns) % 7)));
}

/** A model that looks up by `i`. */
function lookups(
  nodes: readonly NodeProto[],
  constants: readonly TensorProto[],
  ...input: ["int32" | "int64", ...(string | number)[]]
): OnnxModel {
  const outputs = [nodes.at(-1)!.output[0]];
  return smallModel({ opset: 17, nodes, constants, inputs: { i: input }, outputs });
}

const INDICES = [3, 0, 40, 7, 59];

function feeds(dims: readonly number[] = [5], indices = INDICES): OnnxFeeds {
  return { i: { data: BigInt64Array.from(indices, BigInt), dims } };
}

async function run(model: OnnxModel, sample: OnnxFeeds): Promise<Float32Array> {
  await using runtime = await OnnxRuntime.open("test", model);
  const [output] = Object.values(await runtime.run(sample));
  return output.data as Float32Array;
}

/** Quantizes; gives also the shapes of the large constants by type, and what is lost in dB. */
async function quantized(
  float: OnnxModel,
  options: QuantizeStaticOptions = {},
  sample: OnnxFeeds = feeds(),
) {
  const { model, nodes } = await quantizeStatic(float, [sample], options);
  const [x, y] = [await run(float, sample), await run(model, sample)];
  let [signal, off] = [0, 0];
  x.forEach((value, i) => {
    signal += value ** 2;
    off += (value - y[i]) ** 2;
  });
  const large = model.graph.initializer.map((tensor) => readTensor(tensor))
    .filter(({ data }) => data.length >= 1000)
    .map(({ dtype, dims }) => `${dtype} ${dims}`);
  return { model, nodes, large, sqnr: 10 * Math.log10(signal / off) };
}

Deno.test("a table becomes bytes with a scale a row, and only rows are brought to floats", async () => {
  const float = lookups([node("Gather", ["t", "i"], ["y"])], [table("t", 60, 40)], "int64", "n");
  const { nodes, large, model, sqnr } = await quantized(float);
  assert(sqnr > 42, `${sqnr} dB`); // that of one scale is 16
  assertEquals(large, ["int8 60,40"]);
  assertEquals(nodes, [{ name: "Gather:y", opType: "Gather", quantized: true }]);
  assertEquals(model.graph.node.map(({ opType }) => opType), ["Gather", "Cast", "Gather", "Mul"]);
  assertEquals(await optimized(model.toBytes()), ["Gather", "Cast", "Gather", "Mul"]);
  assert(model.toBytes().length < 0.4 * float.toBytes().length);
  // Each row is what its own scale makes of it, whatever is in the others.
  const y = await run(model, feeds([1], [40]));
  const x = await run(float, feeds([1], [40]));
  const step = Math.max(...x.map(Math.abs)) / 127;
  x.forEach((value, i) => assert(Math.abs(value - y[i]) <= step * 0.5001));
});

Deno.test("a lookup along any axis, by negative indices, by one, and of either type", async () => {
  const gather = (axis: number) => [node("Gather", ["t", "i"], ["y"], { axis: { i: axis } })];
  const turned = floats("t", [40, 60], Array.from(noise(40, 60).data as Float32Array));
  for (const axis of [1, -1]) {
    const { sqnr, large } = await quantized(
      lookups(gather(axis), [turned], "int64", "a", "b"),
      {},
      {
        ...feeds([1, 5]),
      },
    );
    assert(sqnr > 40, `${sqnr} dB`);
    assertEquals(large, ["int8 40,60"]);
  }
  const negative = feeds([2, 2], [-1, -60, 59, -3]);
  const { sqnr } = await quantized(
    lookups(gather(0), [table("t", 60, 40)], "int64", "a", "b"),
    {},
    negative,
  );
  assert(sqnr > 42, `${sqnr} dB`);
  const one = await quantized(
    lookups(gather(0), [table("t", 60, 40)], "int64"),
    {},
    feeds([], [5]),
  );
  assert(one.sqnr > 42, `${one.sqnr} dB`);
  const narrow = { i: { data: Int32Array.from(INDICES), dims: [5] } };
  const small = await quantized(
    lookups(gather(0), [table("t", 60, 40)], "int32", "n"),
    {},
    narrow,
  );
  assert(small.sqnr > 42, `${small.sqnr} dB`);
});

Deno.test("a GatherND by single numbers looks up rows too, others stay float", async () => {
  const model = (depth: number | string) => {
    const nodes = [
      node("GatherND", ["t", "i"], ["e"]),
      node("MatMul", ["r", "w"], ["y"]),
    ];
    nodes.splice(1, 0, node("Tanh", ["e"], ["r"]));
    const float = lookups(nodes, [weight("t", 60, 40), weight("w", 40, 8)], "int64", "n", depth);
    float.graph.valueInfo = [
      messages.valueInfo("e", "float32"),
      messages.valueInfo("r", "float32"),
    ];
    return float;
  };
  const { large, sqnr } = await quantized(model(1), { prepare: false }, feeds([5, 1]));
  assertEquals(large, ["int8 60,40"]);
  assert(sqnr > 25, `${sqnr} dB`);
  const open = await quantized(model("d"), { prepare: false }, feeds([5, 1]));
  assertEquals(open.large, ["float32 60,40"]);
  assertEquals(open.nodes.find(({ opType }) => opType === "GatherND")?.quantized, false);
});

Deno.test("lookups in one table share its bytes, a table read through other nodes is one too", async () => {
  const nodes = [
    node("Identity", ["t0"], ["t1"]),
    node("Transpose", ["t1"], ["t"], { perm: { ints: [1, 0] } }),
    node("Gather", ["t", "i"], ["a"]),
    node("Neg", ["i"], ["j"]),
    node("Gather", ["t", "j"], ["b"]),
    node("Sub", ["a", "b"], ["y"]),
  ];
  const { large, nodes: told } = await quantized(
    lookups(nodes, [weight("t0", 40, 60)], "int64", "n"),
  );
  assertEquals(large, ["int8 60,40"]);
  assertEquals(told.filter(({ quantized }) => quantized).length, 2);
});

Deno.test("a table that is the last layer's matrix too is stored once", async () => {
  const before = [
    node("Gather", ["t", "i"], ["e"]),
    node("MatMul", ["e", "w"], ["h"]),
    node("Tanh", ["h"], ["r"]),
  ];
  const constants = [weight("t", 60, 40), weight("w", 40, 40)];
  const transposing = [
    node("Transpose", ["t"], ["u"], { perm: { ints: [1, 0] } }),
    node("MatMul", ["r", "u"], ["y"]),
  ];
  const matmul = await quantized(lookups([...before, ...transposing], constants, "int64", "n"));
  assertEquals(matmul.large.toSorted(), ["int8 40,40", "int8 60,40"]);
  assert(matmul.sqnr > 30, `${matmul.sqnr} dB`);
  const kernels = await optimized(matmul.model.toBytes());
  assertEquals(kernels.filter((op) => op === "MatMulIntegerToFloat").length, 2, kernels.join());
  // A bias that asks for larger scales changes the bytes of both.
  const bias = floats("b", [60], Array.from({ length: 60 }, (_, i) => 1e6 * i));
  const gemm = [node("Gemm", ["r", "t", "b"], ["y"], { transB: { i: 1 } })];
  const shared = await quantized(lookups([...before, ...gemm], [...constants, bias], "int64", "n"));
  assertEquals(shared.large.toSorted(), ["int8 40,40", "int8 60,40"]);
});

Deno.test("a table stays float where bytes would not make the file smaller, or it is left out", async () => {
  const gather = node("Gather", ["t", "i"], ["e"]);
  gather.name = "emb";
  const rest = [node("MatMul", ["e", "w"], ["y"])];
  const float = (rows: number, columns: number, more: NodeProto[] = []) =>
    lookups(
      [gather, ...more, ...rest],
      [table("t", rows, columns), weight("w", columns, 40)],
      "int64",
      "n",
    );
  const reason = async (model: OnnxModel, options?: QuantizeStaticOptions) => {
    const { nodes, large } = await quantized(model, options);
    const told = nodes.find(({ name }) => name === "emb")!;
    assertEquals(told.quantized, false);
    assert(large.includes("float32 60,40"), large.join());
    return told.reason;
  };
  assertEquals(
    await reason(float(60, 40), { nodesToExclude: ["emb"] }),
    "it is left out by nodesToExclude",
  );
  assertEquals(
    await reason(float(60, 40), { opTypesToQuantize: ["MatMul"] }),
    "its operator is not to be quantized",
  );
  const elsewhere = float(60, 40, [node("ReduceSum", ["t"], ["s"], { keepdims: { i: 0 } })]);
  elsewhere.graph.output.push(messages.valueInfo("t2", "float32"));
  elsewhere.graph.node.push(node("Tanh", ["t"], ["t2"]));
  assertEquals(
    await reason(elsewhere, { prepare: false }),
    "its table is needed in floats too, so that bytes would make the file larger",
  );
  // Of a row as long as its scale, and of few bytes, nothing is won.
  for (const [rows, columns] of [[2000, 1], [20, 40]]) {
    const { model } = await quantized(float(rows, columns), {}, feeds([5], [3, 0, 4, 7, 9]));
    assertEquals(model.graph.node.filter(({ opType }) => opType === "Cast").length, 0);
  }
});

Deno.test("a model of nothing but a table is quantized, and inspectOnnx counts it", async () => {
  const float = lookups(
    [node("Gather", ["t", "i"], ["e"]), node("ReduceMean", ["e"], ["y"], { axes: { ints: [1] } })],
    [table("t", 60, 40)],
    "int64",
    "n",
  );
  const { sqnr } = await quantized(float);
  assert(sqnr > 35, `${sqnr} dB`);
  const { operators } = await inspectOnnx(float);
  assertEquals(operators.find(({ op }) => op === "Gather")?.quantizable, 1);
});

Deno.test("a row of padding with huge numbers costs the others nothing", async () => {
  const data = Array.from(noise(60, 40).data as Float32Array);
  data.fill(3e7, 0, 40);
  const nodes = [node("Gather", ["t", "i"], ["e"]), node("MatMul", ["e", "w"], ["y"])];
  const constants = [floats("t", [60, 40], data), weight("w", 40, 8), ints("unused", [1])];
  const float = lookups(nodes, constants, "int64", "n");
  const { sqnr } = await quantized(float, {}, feeds([5], [3, 1, 40, 7, 59]));
  assert(sqnr > 30, `${sqnr} dB`);
});

Deno.test("what a table costs is ranked, and a target that bytes miss leaves it float", async () => {
  const nodes = [
    node("Gather", ["t", "i"], ["a"]),
    node("MatMul", ["a", "w"], ["h"]),
    node("Neg", ["i"], ["j"]),
    node("Gather", ["t", "j"], ["b"]),
    node("Concat", ["h", "b"], ["y"], { axis: { i: 1 } }),
  ];
  const float = lookups(nodes, [weight("t", 60, 40), weight("w", 40, 40)], "int64", "n");
  const heldOut = [feeds()];
  const ranking = await rankNodes(float, heldOut, { heldOut });
  const names = ["MatMul:h", "Gather:a", "Gather:b"];
  assertEquals(ranking.nodes.map(({ node }) => node), names);
  const [matmul, a, b] = ranking.nodes.map(({ sqnr }) => sqnr);
  assert(matmul < a && a === b && a > 40 && a < 60, `${matmul} ${a} ${b}`);
  const close = await autoQuantize(float, heldOut, { heldOut, targetSqnr: a - 1 });
  assertEquals(close.leftOut.map(({ node }) => node), names.slice(0, 1));
  const exact = await autoQuantize(float, heldOut, { heldOut, targetSqnr: 90 });
  assert(exact.reached);
  assertEquals(exact.leftOut[0].node, "MatMul:h");
});
