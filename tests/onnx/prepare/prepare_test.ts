import { create } from "@bufbuild/protobuf";
import { assert, assertEquals } from "@std/assert";
import { GraphProtoSchema } from "onnx-buf";
import { loadOnnx } from "../../../lib/onnx/file/model_file.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { nameNodes, sharedNodeNames } from "../../../lib/onnx/prepare/name_nodes.ts";
import { graphProto, messages } from "../files.ts";
import { classification, detection, image, recognition } from "../ocr_models.ts";
import {
  difference,
  type Feeds,
  floats,
  ints,
  node,
  noise,
  operators,
  runModel,
  type SmallModel,
  smallModel,
} from "../small_models.ts";

/** `count` numbers between −1 and 1. */
function values(count: number): number[] {
  return Array.from(noise(count).data as Float32Array, (value) => value / 2);
}

const x = noise(2, 4, 5, 6);
const weight = floats("w", [6, 4, 3, 3], values(216));
const pads = { pads: { ints: [1, 1, 1, 1] } };
const norm = (channels: number) => [
  floats("gamma", [channels], values(channels)),
  floats("beta", [channels], values(channels)),
  floats("mean", [channels], values(channels)),
  floats("var", [channels], values(channels).map((value) => value * value + 0.1)),
];
const normalize = (from: string, to: string) =>
  node("BatchNormalization", [from, "gamma", "beta", "mean", "var"], [to]);
const channels = floats("c", [6, 1, 1], values(6));
const number = (name: string, value: number) => floats(name, [], [value]);

/** A graph before and the operators after. */
interface Case extends Omit<SmallModel, "opset" | "inputs" | "outputs"> {
  readonly opset?: number;
  readonly inputs?: SmallModel["inputs"];
  readonly outputs?: SmallModel["outputs"];
  readonly feeds?: Feeds;
  readonly after: Record<string, number>;
}

function modelOf(one: Case): OnnxModel {
  const { feeds = { x } } = one;
  const inputs = Object.entries(feeds).map(([name, { type, dims }]) => [
    name,
    [type, "batch", ...dims.slice(1)],
  ]);
  return smallModel({ opset: 13, inputs: Object.fromEntries(inputs), outputs: ["y"], ...one });
}

const layerNorm = (last: number) => ({
  constants: [
    number("two", 2),
    number("eps", 1e-5),
    floats("g", [last], values(last)),
    floats("b", [last], values(last).reverse()),
  ],
  nodes: [
    node("ReduceMean", ["x"], ["mean"], { axes: { ints: [-1] } }),
    node("Sub", ["x", "mean"], ["d"]),
    node("Pow", ["d", "two"], ["sq"]),
    node("ReduceMean", ["sq"], ["var"], { axes: { ints: [3] } }),
    node("Add", ["eps", "var"], ["ve"]),
    node("Sqrt", ["ve"], ["std"]),
    node("Div", ["d", "std"], ["n"]),
    node("Mul", ["n", "g"], ["ng"]),
    node("Add", ["ng", "b"], ["y"]),
  ],
});

const cases: Record<string, Case> = {
  "BatchNormalization after Conv": {
    nodes: [node("Conv", ["x", "w"], ["a"], pads), normalize("a", "y")],
    constants: [weight, ...norm(6)],
    after: { Conv: 1 },
  },
  "a chain after Conv with bias": {
    nodes: [
      node("Conv", ["x", "w", "bias"], ["a"]),
      node("Mul", ["s", "a"], ["b"]),
      node("Add", ["b", "c"], ["d"]),
      normalize("d", "e"),
      node("Sub", ["e", "c"], ["f"]),
      node("Div", ["f", "s"], ["g"]),
      node("Sub", ["s", "g"], ["y"]),
    ],
    constants: [
      weight,
      floats("bias", [6], values(6)),
      floats("s", [1], [-0.7]),
      channels,
      ...norm(6),
    ],
    after: { Conv: 1 },
  },
  "Conv in groups": {
    nodes: [node("Conv", ["x", "w"], ["a"], { group: { i: 2 } }), normalize("a", "y")],
    constants: [floats("w", [6, 2, 3, 3], values(108)), ...norm(6)],
    after: { Conv: 1 },
  },
  "ConvTranspose": {
    nodes: [
      node("ConvTranspose", ["x", "w"], ["a"], { strides: { ints: [2, 2] } }),
      node("Add", ["a", "c"], ["b"]),
      normalize("b", "y"),
    ],
    constants: [
      floats("w", [4, 6, 2, 2], values(96)),
      floats("c", [1, 6, 1, 1], values(6)),
      ...norm(6),
    ],
    after: { ConvTranspose: 1 },
  },
  "ConvTranspose in groups": {
    nodes: [
      node("ConvTranspose", ["x", "w"], ["a"], { group: { i: 2 } }),
      normalize("a", "y"),
    ],
    constants: [floats("w", [4, 3, 2, 2], values(48)), ...norm(6)],
    after: { ConvTranspose: 1 },
  },
  "Gemm": {
    nodes: [node("Gemm", ["x", "w", "b"], ["a"]), node("Mul", ["a", "s"], ["y"])],
    constants: [
      floats("w", [5, 3], values(15)),
      floats("b", [1, 3], values(3)),
      floats("s", [3], values(3)),
    ],
    feeds: { x: noise(2, 5) },
    after: { Gemm: 1 },
  },
  "Gemm with a transposed weight": {
    nodes: [
      node("Gemm", ["x", "w"], ["a"], { transB: { i: 1 } }),
      node("Add", ["a", "s"], ["y"]),
    ],
    constants: [floats("w", [3, 5], values(15)), floats("s", [1, 3], values(3))],
    feeds: { x: noise(2, 5) },
    after: { Gemm: 1 },
  },
  "MatMul and a bias": {
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Add", ["b", "a"], ["c"]),
      node("Mul", ["c", "b"], ["y"]),
    ],
    constants: [floats("w", [5, 3], values(15)), floats("b", [3], values(3))],
    feeds: { x: noise(2, 5) },
    after: { Gemm: 1 },
  },
  "MatMul of three dimensions stays": {
    nodes: [node("MatMul", ["x", "w"], ["a"]), node("Add", ["b", "a"], ["y"])],
    constants: [floats("w", [5, 3], values(15)), floats("b", [3], values(3))],
    feeds: { x: noise(2, 4, 5) },
    after: { MatMul: 1, Add: 1 },
  },
  "what another node reads stays": {
    nodes: [
      node("Conv", ["x", "w"], ["a"], pads),
      node("Add", ["a", "c"], ["b"]),
      node("Mul", ["a", "b"], ["y"]),
    ],
    constants: [weight, channels],
    after: { Conv: 1, Add: 1, Mul: 1 },
  },
  "what is an output stays": {
    nodes: [node("Conv", ["x", "w"], ["a"], pads), node("Add", ["a", "c"], ["y"])],
    constants: [weight, channels],
    outputs: ["a", "y"],
    after: { Conv: 1, Add: 1 },
  },
  "what a graph inside reads stays": {
    nodes: [
      node("Conv", ["x", "w"], ["a"], pads),
      node("Relu", ["a"], ["r"]),
      node("Mul", ["r", "half"], ["b"]),
      node("Identity", ["b"], ["i"]),
      node("Conv", ["i", "v"], ["z"]),
      node("If", ["yes"], ["q"], {
        then_branch: {
          g: create(GraphProtoSchema, {
            name: "then",
            node: [node("Neg", ["i"], ["n"])],
            output: [messages.valueInfo("n", "float32")],
          }),
        },
        else_branch: {
          g: create(GraphProtoSchema, {
            name: "else",
            node: [node("Abs", ["b"], ["n"])],
            output: [messages.valueInfo("n", "float32")],
          }),
        },
      }),
      node("ReduceMax", ["q"], ["m"]),
      node("Add", ["z", "m"], ["y"]),
    ],
    constants: [
      weight,
      floats("v", [2, 6, 1, 1], values(12)),
      number("half", 0.5),
      messages.tensor("yes", "bool", [], Uint8Array.of(1)),
    ],
    after: { Conv: 2, Relu: 1, Mul: 1, If: 1, ReduceMax: 1, Add: 1 },
  },
  "a constant of many numbers a channel stays": {
    nodes: [node("Conv", ["x", "w"], ["a"], pads), node("Add", ["a", "c"], ["y"])],
    constants: [weight, floats("c", [5, 6], values(30))],
    after: { Conv: 1, Add: 1 },
  },
  "a constant with more dimensions stays": {
    nodes: [node("Conv", ["x", "w"], ["a"], pads), node("Add", ["a", "c"], ["y"])],
    constants: [weight, floats("c", [1, 1, 1, 1, 1], [2])],
    after: { Conv: 1, Add: 1 },
  },
  "a weight that two share": {
    nodes: [
      node("Conv", ["x", "w"], ["a"], pads),
      node("Mul", ["a", "c"], ["b"]),
      node("Conv", ["x", "w"], ["d"], pads),
      node("Add", ["b", "d"], ["y"]),
    ],
    constants: [weight, channels],
    after: { Conv: 2, Add: 1 },
  },
  "a factor before Conv": {
    nodes: [
      node("Relu", ["x"], ["r"]),
      node("Div", ["r", "six"], ["a"]),
      node("Conv", ["a", "w"], ["y"], pads),
    ],
    constants: [weight, number("six", 6)],
    after: { Relu: 1, Conv: 1 },
  },
  "a factor and a sum before Conv without padding": {
    nodes: [
      node("Relu", ["x"], ["r"]),
      node("Mul", ["r", "f"], ["a"]),
      node("Add", ["t", "a"], ["b"]),
      node("Conv", ["b", "w"], ["y"]),
    ],
    constants: [weight, number("f", -0.4), floats("t", [1], [0.3])],
    after: { Relu: 1, Conv: 1 },
  },
  "a factor and a sum before Conv with padding": {
    nodes: [
      node("Relu", ["x"], ["r"]),
      node("Mul", ["r", "f"], ["a"]),
      node("Add", ["t", "a"], ["b"]),
      node("Conv", ["b", "w"], ["y"], pads),
    ],
    constants: [weight, number("f", -0.4), floats("t", [1], [0.3])],
    after: { Relu: 1, Add: 1, Conv: 1 },
  },
  "hard swish between convolutions": {
    nodes: [
      node("Conv", ["x", "w"], ["a"], pads),
      node("Add", ["a", "three"], ["b"]),
      node("Clip", ["b", "zero", "six"], ["c"]),
      node("Mul", ["a", "c"], ["d"]),
      node("Div", ["d", "six"], ["e"]),
      node("Mul", ["f", "e"], ["g"]),
      node("Add", ["g", "t"], ["h"]),
      node("Conv", ["h", "v"], ["y"]),
    ],
    constants: [
      weight,
      floats("v", [2, 6, 1, 1], values(12)),
      number("three", 3),
      number("zero", 0),
      number("six", 6),
      floats("f", [1], [1.3]),
      floats("t", [1], [-0.2]),
    ],
    after: { Conv: 2, Add: 1, Clip: 1, Mul: 1 },
  },
  "factors in a row": {
    nodes: [
      node("Relu", ["x"], ["r"]),
      node("Div", ["r", "six"], ["a"]),
      node("Mul", ["f", "a"], ["b"]),
      node("Sigmoid", ["b"], ["y"]),
    ],
    constants: [number("six", 6), floats("f", [1], [1.3])],
    after: { Relu: 1, Mul: 1, Sigmoid: 1 },
  },
  "a quotient of a number stays": {
    nodes: [node("Abs", ["x"], ["a"]), node("Div", ["six", "a"], ["y"])],
    constants: [number("six", 6)],
    after: { Abs: 1, Div: 1 },
  },
  "a quotient that a GELU begins with stays": {
    nodes: [
      node("Div", ["x", "root"], ["a"]),
      node("Erf", ["a"], ["b"]),
      node("Add", ["b", "one"], ["c"]),
      node("Mul", ["x", "c"], ["d"]),
      node("Mul", ["d", "half"], ["y"]),
    ],
    constants: [number("root", Math.SQRT2), number("one", 1), number("half", 0.5)],
    after: { Div: 1, Erf: 1, Add: 1, Mul: 2 },
  },
  "layer normalization": { ...layerNorm(6), after: { LayerNormalization: 1 } },
  "what does nothing": {
    nodes: [
      node("Identity", ["x"], ["a"]),
      node("Dropout", ["a"], ["b"]),
      node("Cast", ["b"], ["c"], { to: { i: 1 } }),
      node("Mul", ["c", "one"], ["d"]),
      node("Add", ["zero", "d"], ["e"]),
      node("Sub", ["e", "zero"], ["f"]),
      node("Relu", ["f"], ["g"]),
      node("Identity", ["g"], ["y"]),
    ],
    constants: [number("one", 1), floats("zero", [1, 1], [0])],
    after: { Relu: 1, Identity: 1 },
  },
  "what looks as if it did nothing": {
    nodes: [
      node("Sub", ["zero", "x"], ["a"]),
      node("Div", ["one", "a"], ["b"]),
      node("Mul", ["b", "wide"], ["y"]),
    ],
    constants: [number("one", 1), number("zero", 0), floats("wide", [1, 1, 1, 1, 1], [1])],
    after: { Sub: 1, Div: 1, Mul: 1 },
  },
  "what depends on constants alone": {
    nodes: [
      node("Constant", [], ["k"], { value: { t: ints("", [2, 20]) } }),
      node("Constant", [], ["rest"], { value_ints: { ints: [-1] } }),
      node("Concat", ["k", "rest"], ["kr"], { axis: { i: 0 } }),
      node("Cast", ["kr"], ["shape32"], { to: { i: 6 } }),
      node("Cast", ["shape32"], ["shape"], { to: { i: 7 } }),
      node("Reshape", ["x", "shape"], ["r"]),
      node("Sqrt", ["c"], ["root"]),
      node("Mul", ["r", "root"], ["y"]),
    ],
    constants: [floats("c", [6], [1, 2, 3, 4, 5, 6])],
    after: { Reshape: 1, Mul: 1 },
  },
  "results that are much bigger stay": {
    nodes: [node("Expand", ["one", "shape"], ["big"]), node("Add", ["x", "big"], ["y"])],
    constants: [number("one", 1), ints("shape", [300, 1, 1000])],
    feeds: { x: noise(1, 1) },
    after: { Expand: 1, Add: 1 },
  },
  "numbers drawn at random stay": {
    nodes: [
      node("RandomUniformLike", ["c"], ["r"], { seed: { f: 1 } }),
      node("Mul", ["r", "zero"], ["z"]),
      node("Add", ["x", "z"], ["y"]),
    ],
    constants: [floats("c", [6], [1, 2, 3, 4, 5, 6]), number("zero", 0)],
    after: { RandomUniformLike: 1, Mul: 1, Add: 1 },
  },
  "a constant that is an output": {
    nodes: [
      node("Constant", [], ["k"], { value: { t: floats("", [2], [1, 2]) } }),
      node("Neg", ["c"], ["y"]),
      node("Relu", ["x"], ["r"]),
    ],
    constants: [channels],
    outputs: ["k", "y", "r"],
    after: { Relu: 1 },
  },
};

Deno.test("prepareOnnx() keeps what a graph computes", async (t) => {
  for (const [name, one] of Object.entries(cases)) {
    await t.step(name, async () => {
      const model = modelOf(one);
      const before = model.toBytes();
      const prepared = await prepareOnnx(model);
      assertEquals(operators(prepared), one.after);
      prepared.check();
      const feeds = one.feeds ?? { x };
      const worst = difference(await runModel(prepared, feeds), await runModel(model, feeds));
      assert(worst <= 3e-6, `differs by ${worst}`);
      assertEquals(model.toBytes(), before);
    });
  }
});

/** 60 nodes in a row from one value to another, of these operators in turn, each with its second input. */
function chain(from: string, to: string, ...operators: [string, string][]) {
  return Array.from({ length: 60 }, (_, i) => {
    const [opType, second] = operators[i % operators.length];
    return node(opType, [i ? `${to}${i}` : from, second], [i < 59 ? `${to}${i + 1}` : to]);
  });
}

const chains: Record<string, Omit<Case, "constants">> = {
  "after Conv": {
    nodes: [node("Conv", ["x", "w"], ["a"], pads), ...chain("a", "y", ["Mul", "f"], ["Sub", "c"])],
    after: { Conv: 1 },
  },
  "before Conv": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      ...chain("a", "b", ["Mul", "f"], ["Add", "t"], ["Div", "f"]),
      node("Conv", ["b", "w"], ["y"]),
    ],
    after: { Abs: 1, Conv: 1 },
  },
  "before Conv with padding": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      ...chain("a", "b", ["Mul", "f"], ["Div", "g"]),
      node("Add", ["t", "b"], ["d"]),
      node("Conv", ["d", "w"], ["y"], pads),
    ],
    after: { Abs: 1, Add: 1, Conv: 1 },
  },
  "before convolutions that share a weight": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      ...chain("a", "b", ["Mul", "f"], ["Add", "t"]),
      node("Conv", ["b", "w"], ["d"]),
      node("Conv", ["b", "w"], ["e"], { strides: { ints: [1, 1] } }),
      node("Conv", ["x", "w"], ["h"]),
      node("Sum", ["d", "e", "h"], ["y"]),
    ],
    after: { Abs: 1, Conv: 3, Sum: 1 },
  },
  "branches before convolutions": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      node("Mul", ["a", "f"], ["b"]),
      node("Conv", ["b", "w"], ["d"]),
      node("Mul", ["b", "g"], ["e"]),
      node("Conv", ["e", "w"], ["h"]),
      node("Sum", ["d", "h"], ["y"]),
    ],
    after: { Abs: 1, Conv: 2, Sum: 1 },
  },
  "of factors": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      ...chain("a", "b", ["Mul", "f"], ["Div", "g"]),
      node("Sigmoid", ["b"], ["y"]),
    ],
    after: { Abs: 1, Mul: 1, Sigmoid: 1 },
  },
  "of what does nothing": {
    nodes: [
      node("Abs", ["x"], ["a"]),
      ...chain("a", "b", ["Mul", "one"], ["Add", "zero"]),
      node("Neg", ["b"], ["y"]),
    ],
    after: { Abs: 1, Neg: 1 },
  },
};

Deno.test("prepareOnnx() takes in chains whole, and computes the same", async (t) => {
  const constants = [
    weight,
    floats("c", [6, 1, 1], values(6).map((value) => value / 50)),
    number("f", 1.003),
    number("g", 0.997),
    number("t", -0.01),
    number("one", 1),
    number("zero", 0),
  ];
  for (const [name, one] of Object.entries(chains)) {
    await t.step(name, async () => {
      const model = modelOf({ ...one, constants });
      const prepared = await prepareOnnx(model);
      assertEquals(operators(prepared), one.after);
      prepared.check();
      const worst = difference(await runModel(prepared, { x }), await runModel(model, { x }));
      assert(worst <= 1e-4, `differs by ${worst}`);
      assertEquals((await prepareOnnx(prepared)).toBytes(), prepared.toBytes());
    });
  }
});

Deno.test("prepareOnnx() keeps layer normalization apart below operator set 17", async () => {
  const model = modelOf({ ...layerNorm(6), after: {} });
  const prepared = await prepareOnnx(model, { opset: 13 });
  assertEquals(prepared.opset(), 13);
  assertEquals(operators(prepared), operators(model));
});

Deno.test("prepareOnnx() keeps a model that is newer at its operator set", async () => {
  const model = modelOf({
    nodes: [node("Identity", ["x"], ["a"]), node("Relu", ["a"], ["y"])],
    after: {},
  });
  model.setOpset(21);
  const prepared = await prepareOnnx(model);
  assertEquals(prepared.opset(), 21);
  assertEquals([operators(prepared), operators(model)], [{ Relu: 1 }, { Identity: 1, Relu: 1 }]);
});

Deno.test("prepareOnnx() makes constants of initializers that are inputs", async () => {
  const model = smallModel({
    opset: 13,
    nodes: [node("Add", ["x", "w"], ["y"])],
    constants: [floats("w", [1], [2])],
    inputs: { x: ["float32", "n"], w: ["float32", 1] },
    outputs: ["y"],
  });
  const prepared = await prepareOnnx(model);
  assertEquals(prepared.graph.input.map(({ name }) => name), ["x"]);
});

Deno.test("prepareOnnx() leaves a factor apart that would leave float32", async () => {
  const model = modelOf({
    nodes: [node("Conv", ["x", "w"], ["a"], pads), node("Mul", ["a", "s"], ["y"])],
    constants: [floats("w", [6, 4, 3, 3], Array(216).fill(1e30)), number("s", 1e30)],
    after: {},
  });
  assertEquals(operators(await prepareOnnx(model)), { Conv: 1, Mul: 1 });
});

Deno.test("prepareOnnx() on real models", async (t) => {
  const real = {
    detection: { path: detection, shape: [1, 3, 64, 96], nodes: 212 },
    recognition: { path: recognition, shape: [2, 3, 48, 100], nodes: 251 },
    classification: { path: classification, shape: [2, 3, 48, 192], nodes: 175 },
  };
  for (const [name, { path, shape, nodes }] of Object.entries(real)) {
    await t.step(name, async () => {
      const model = await loadOnnx(path);
      const prepared = await prepareOnnx(model);
      prepared.check();
      assertEquals(prepared.graph.node.length, nodes);
      assert(prepared.toBytes().length < model.toBytes().length);
      const feeds = { x: image(shape) };
      const worst = difference(await runModel(prepared, feeds), await runModel(model, feeds));
      assert(worst <= 1e-5, `differs by ${worst}`);
    });
  }
});

Deno.test("prepareOnnx() again finds nothing more", async () => {
  const once = await prepareOnnx(await loadOnnx(recognition));
  const twice = await prepareOnnx(once);
  assertEquals(twice.toBytes(), once.toBytes());
});

Deno.test("prepareOnnx() gives every node a name of its own", async () => {
  const nodes = ["a", "a", "", "", "a_1"].map((name, i) =>
    Object.assign(node("Relu", [i ? `v${i}` : "x"], [i < 4 ? `v${i + 1}` : "y"]), { name })
  );
  const prepared = await prepareOnnx(modelOf({ nodes, after: {} }));
  assertEquals(prepared.graph.node.map(({ name }) => name), [
    "a",
    "a_2",
    "Relu:v3",
    "Relu:v4",
    "a_1",
  ]);
});

Deno.test("sharedNodeNames: names that several nodes have, inside of nodes too; none after nameNodes", () => {
  const named = (opType: string, name: string) => {
    const made = node(opType, ["x"], [`${opType}.${name}`]);
    made.name = name;
    return made;
  };
  const inner = graphProto({ name: "g", node: [named("Exp", "b"), named("Abs", "c")] });
  const choose = node("If", ["c"], ["d"], { then_branch: { g: inner } });
  const graph = graphProto({
    node: [
      named("Relu", "a"),
      named("Tanh", "a"),
      named("Sin", "b"),
      choose,
      node("Cos", ["x"], ["e"]),
    ],
  });
  assertEquals(sharedNodeNames(graph), ["a", "b"]);
  nameNodes(graph);
  assertEquals(sharedNodeNames(graph), []);
  assertEquals(graph.node.map(({ name }) => name), ["a", "a_1", "b", "If:d", "Cos:e"]);
  assertEquals(inner.node.map(({ name }) => name), ["b_1", "c"]);
});

Deno.test("prepareOnnx() lists an operator set once, whatever the file calls it", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [node("Neg", ["x"], ["y"])],
    inputs: { x: ["float32", 2] },
    outputs: ["y"],
    domains: { "ai.onnx": 17 },
  });
  const { proto } = await prepareOnnx(model);
  assertEquals(proto.opsetImport.map(({ domain, version }) => [domain, version]), [["", 17n]]);
});
