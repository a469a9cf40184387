import { assert, assertEquals, assertRejects } from "@std/assert";
import { Tensor } from "onnxruntime-node";
import {
  autoQuantize,
  inspectOnnx,
  OnnxError,
  prepareOnnx,
  quantizeStatic,
  rankNodes,
} from "../../../mod.ts";
import { graphProto, messages } from "../files.ts";
import { type Feeds, floats, ints, node, noise, runModel, smallModel } from "../small_models.ts";

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array, (x) => x / 8));

/** A branch that multiplies with two weights of its own, which are called the same in every branch. */
function branch(name: string, opType: string, how: "initializer" | "Constant" = "initializer") {
  const weights = [weight("w", 32, 64), weight("v", 64, 32)];
  const constants = weights.map((t) => node("Constant", [], [t.name], { value: { t } }));
  return graphProto({
    name,
    node: [
      ...(how === "Constant" ? constants : []),
      node("MatMul", ["h", "w"], [`${name}.1`]),
      node(opType, [`${name}.1`], [`${name}.2`]),
      node("MatMul", [`${name}.2`, "v"], [`${name}.y`]),
    ],
    output: [messages.valueInfo(`${name}.y`, "float32")],
    initializer: how === "initializer" ? weights : [],
  });
}

function choice(...branches: ReturnType<typeof branch>[]) {
  return smallModel({
    opset: 17,
    nodes: [
      node("Abs", ["x"], ["h"]),
      node("If", ["yes"], ["y"], {
        then_branch: { g: branches[0] },
        else_branch: { g: branches[1] },
      }),
    ],
    inputs: { x: ["float32", "n", 32], yes: ["bool"] },
    outputs: ["y"],
  });
}

/** Samples for both branches. */
const samples = [0, 1].map((yes) => ({
  x: { data: noise(4, 32).data as Float32Array, dims: [4, 32] },
  yes: { data: Uint8Array.of(yes), dims: [] },
}));
const feeds: Feeds[] = [false, true].map((yes) => ({
  x: noise(4, 32),
  yes: new Tensor("bool", [yes], []),
}));

/** Signal to noise in dB. */
function decibels(x: Feeds, y: Feeds): number {
  const [a, b] = [x.y.data as Float32Array, y.y.data as Float32Array];
  const power = (f: (i: number) => number) => a.reduce((sum, _, i) => sum + f(i) ** 2, 0);
  return 10 * Math.log10(power((i) => a[i]) / power((i) => a[i] - b[i]));
}

for (const how of ["initializer", "Constant"] as const) {
  Deno.test(`quantizeStatic: weights inside of branches, each an ${how}, are stored in bytes`, async () => {
    const float = choice(branch("a", "Relu", how), branch("b", "Tanh", how));
    const { model, nodes } = await quantizeStatic(float, samples);
    assert(model.toBytes().length < 0.4 * float.toBytes().length);
    model.check();
    assertEquals(nodes.filter(({ quantized }) => quantized).map(({ opType }) => opType), [
      ...["MatMul", "MatMul", "MatMul", "MatMul"],
    ]);
    const relu = nodes.find(({ opType }) => opType === "Relu")!;
    assertEquals(relu.reason, 'it stands in a graph inside of If node "If:y"');
    for (const each of feeds) {
      const loss = decibels(await runModel(float, each), await runModel(model, each));
      assert(loss > 35, `${loss} dB`);
    }
  });
}

Deno.test("prepareOnnx: weights inside of nodes come out with names that no other has", async () => {
  const float = choice(branch("a", "Relu"), branch("b", "Tanh"));
  const prepared = await prepareOnnx(float);
  const names = prepared.graph.initializer.map(({ name }) => name);
  assertEquals([names.length, new Set(names).size], [4, 4]);
  prepared.check();
  for (const each of feeds) {
    assertEquals((await runModel(prepared, each)).y.data, (await runModel(float, each)).y.data);
  }
});

Deno.test("quantizeStatic: a weight that a Loop hands on is no constant, and one of few numbers is left", async () => {
  const body = graphProto({
    name: "body",
    node: [
      node("MatMul", ["s", "w"], ["h"]),
      node("MatMul", ["h", "small"], ["so"]),
      node("Identity", ["w"], ["wo"]),
      node("Identity", ["c"], ["co"]),
    ],
    input: [
      messages.valueInfo("i", "int64", []),
      messages.valueInfo("c", "bool", []),
      messages.valueInfo("s", "float32", [4, 8]),
      messages.valueInfo("w", "float32", [8, 8]),
    ],
    output: [
      messages.valueInfo("co", "bool", []),
      messages.valueInfo("so", "float32", [4, 8]),
      messages.valueInfo("wo", "float32", [8, 8]),
    ],
  });
  const float = smallModel({
    opset: 17,
    nodes: [node("Loop", ["times", "", "x", "w0"], ["y", "w1"], { body: { g: body } })],
    constants: [ints("times", [2], []), weight("w0", 8, 8), weight("small", 8, 8)],
    inputs: { x: ["float32", 4, 8] },
    outputs: ["y"],
  });
  const error = await assertRejects(
    () => quantizeStatic(float, [{ x: { data: new Float32Array(32), dims: [4, 8] } }]),
    OnnxError,
  );
  assert(
    error.message.includes(
      'none of the model\'s 2 MatMul nodes can be quantized: MatMul node "MatMul:h" and 1 more: it ' +
        'stands in a graph inside of Loop node "Loop:y"',
    ),
    error.message,
  );
});

Deno.test("quantizeStatic: nodes inside of nodes can be left out by their names", async () => {
  const float = choice(branch("a", "Relu"), branch("b", "Tanh"));
  const { nodes } = await quantizeStatic(float, samples, { nodesToExclude: ["MatMul:a.1"] });
  assertEquals(
    nodes.find(({ name }) => name === "MatMul:a.1")?.reason,
    "it is left out by nodesToExclude",
  );
  assertEquals(nodes.filter(({ quantized }) => quantized).length, 3);
});

Deno.test("inspectOnnx: what stands inside of an If is counted as it will be quantized", async () => {
  // Prepared here, for looking into it may not be allowed to.
  const model = await prepareOnnx(choice(branch("a", "Relu"), branch("b", "Tanh")));
  const { operators } = await inspectOnnx(model);
  const product = operators.find(({ op }) => op === "MatMul")!;
  assertEquals([product.count, product.prepared, product.quantizable], [4, 4, 4]);
});

Deno.test("rankNodes: what stands inside of an If is ranked too, and can be left out for a target", async () => {
  const float = choice(branch("a", "Relu"), branch("b", "Tanh"));
  float.graph.node.push(node("MatMul", ["h", "u"], ["z"]));
  float.graph.initializer.push(weight("u", 32, 8));
  float.graph.output.push(messages.valueInfo("z", "float32"));
  const { nodes, sqnr } = await rankNodes(float, samples, { heldOut: samples });
  assertEquals(nodes.map(({ node }) => node).sort(), [
    ...["MatMul:a.1", "MatMul:a.y", "MatMul:b.1", "MatMul:b.y", "MatMul:z"],
  ]);
  assert(nodes.every((each) => each.sqnr >= sqnr && Number.isFinite(each.sqnr)));
  const targetSqnr = 200;
  const { leftOut, reached } = await autoQuantize(float, samples, { targetSqnr, heldOut: samples });
  assertEquals([reached, leftOut.length], [true, 5]);
});
