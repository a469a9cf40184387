import { assert, assertEquals } from "@std/assert";
import { withOutputs } from "../../../lib/onnx/verify/compared_tensors.ts";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import type { TensorProto } from "../../../lib/onnx/file/proto.ts";
import { ShapeFacts } from "../../../lib/onnx/graph/infer_shapes.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { MAX_RANK, SHAPE_RULES } from "../../../lib/onnx/graph/shape_rules.ts";
import { messages } from "../files.ts";
import { floats, ints, node, noise, runModel, smallModel } from "../small_models.ts";

/** A node that reads `x`, of 2×4×6 numbers whose first size the file leaves open. */
interface Case {
  readonly op: string;
  /** Beside `x`, which is the only input by default: constants, and other nodes' outputs. */
  readonly input?: readonly string[];
  readonly constants?: readonly TensorProto[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly opset?: number;
  /** Outputs; one by default. */
  readonly outputs?: number;
  /** What is to be known of the first output. */
  readonly dims: readonly (number | undefined)[] | undefined;
  /** Its element type; float32 by default. */
  readonly dtype?: string;
  /** The shape of `x`. */
  readonly x?: readonly number[];
}

const _ = undefined;
const one = floats("one", [], [1]);
const row = floats("row", [6], [1, 2, 3, 4, 5, 6]);
const flag = messages.tensor("flag", "bool", [6], Uint8Array.of(1, 0, 1, 0, 1, 0));
const image = [2, 4, 6, 6];
const i = (value: number) => ({ i: value });
const each = (names: string, rest: Omit<Case, "op">): Case[] =>
  names.split(" ").map((op) => ({ op, ...rest }));

/** What every operator of the table gives. */
const cases: readonly Case[] = [
  ...each(
    "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor HardSigmoid " +
      "HardSwish Hardmax Identity LeakyRelu Log LogSoftmax LpNormalization Neg Reciprocal Relu Round " +
      "Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu",
    { dims: [_, 4, 6] },
  ),
  { op: "MeanVarianceNormalization", x: image, dims: [_, 4, 6, 6] },
  { op: "Mish", opset: 18, dims: [_, 4, 6] },
  { op: "Gelu", opset: 20, dims: [_, 4, 6] },
  { op: "LRN", x: image, attributes: { size: i(3) }, dims: [_, 4, 6, 6] },
  { op: "CumSum", input: ["x", "k"], constants: [ints("k", [1], [])], dims: [_, 4, 6] },
  { op: "PRelu", input: ["x", "row"], constants: [row], dims: [_, 4, 6] },
  { op: "LayerNormalization", input: ["x", "row"], constants: [row], dims: [_, 4, 6] },
  {
    op: "InstanceNormalization",
    input: ["x", "s", "s"],
    constants: [floats("s", [4], [1, 2, 3, 4])],
    dims: [_, 4, 6],
  },
  {
    op: "BatchNormalization",
    input: ["x", "s", "s", "s", "s"],
    constants: [floats("s", [4], [1, 2, 3, 4])],
    dims: [_, 4, 6],
  },
  {
    op: "ScatterElements",
    input: ["x", "k", "u"],
    constants: [ints("k", [0], [1, 1, 1]), floats("u", [1, 1, 1], [9])],
    dims: [_, 4, 6],
  },
  {
    op: "ScatterND",
    input: ["x", "k", "u"],
    constants: [ints("k", [0, 1, 2], [1, 3]), floats("u", [1], [9])],
    dims: [_, 4, 6],
  },
  ...each("IsInf IsNaN", { dims: [_, 4, 6], dtype: "bool" }),
  { op: "Not", input: ["flag"], constants: [flag], dims: [6], dtype: "bool" },
  ...each("Add Div Max Mean Min Mul Pow Sub Sum", {
    input: ["x", "row"],
    constants: [row],
    dims: [_, 4, 6],
  }),
  {
    op: "Mod",
    input: ["x", "row"],
    constants: [row],
    attributes: { fmod: i(1) },
    dims: [_, 4, 6],
  },
  ...each("Equal Greater GreaterOrEqual Less LessOrEqual", {
    input: ["row", "x"],
    constants: [row],
    dims: [_, 4, 6],
    dtype: "bool",
  }),
  ...each("And Or Xor", {
    input: ["flag", "more"],
    constants: [flag, messages.tensor("more", "bool", [3, 1], Uint8Array.of(1, 0, 1))],
    dims: [3, 6],
    dtype: "bool",
  }),
  {
    op: "ConvTranspose",
    input: ["x", "w"],
    constants: [floats("w", [4, 5, 2], Array(40).fill(1))],
    dims: [_, _, _],
  },
  { op: "DepthToSpace", x: image, attributes: { blocksize: i(2) }, dims: [_, _, _, _] },
  { op: "SpaceToDepth", x: image, attributes: { blocksize: i(2) }, dims: [_, _, _, _] },
  {
    op: "Pad",
    input: ["x", "k"],
    constants: [ints("k", [0, 1, 0, 0, -1, 2])],
    dims: [_, 4, 8],
  },
  {
    op: "Resize",
    input: ["x", "", "k"],
    constants: [floats("k", [3], [1, 2, 1])],
    dims: [_, _, _],
  },
  {
    op: "Upsample",
    input: ["x", "k"],
    constants: [floats("k", [3], [1, 2, 1])],
    opset: 9,
    dims: [_, _, _],
  },
  { op: "Tile", input: ["x", "k"], constants: [ints("k", [1, 2, 3])], dims: [_, 8, 18] },
  {
    op: "Range",
    input: ["from", "to", "by"],
    constants: [ints("from", [9], []), ints("to", [-2], []), ints("by", [-3], [])],
    dims: [4],
    dtype: "int64",
  },
  { op: "Split", attributes: { axis: i(1) }, outputs: 2, dims: [_, 2, 6] },
  { op: "Split", attributes: { axis: i(0) }, outputs: 2, dims: [_, 4, 6] },
  {
    op: "Split",
    input: ["x", "k"],
    constants: [ints("k", [1, 3, 2])],
    attributes: { axis: i(-1) },
    outputs: 3,
    dims: [_, 4, 1],
  },
  {
    op: "Split",
    attributes: { axis: i(2), num_outputs: i(4) },
    outputs: 4,
    opset: 18,
    x: [2, 4, 7],
    dims: [_, 4, 2],
  },
  { op: "TopK", input: ["x", "k"], constants: [ints("k", [2])], outputs: 2, dims: [_, _, _] },
  ...each("AveragePool LpPool", { attributes: { kernel_shape: { ints: [2] } }, dims: [_, 4, 5] }),
  { op: "MaxPool", attributes: { kernel_shape: { ints: [2] } }, outputs: 2, dims: [_, 4, 5] },
  {
    op: "MaxPool",
    attributes: { kernel_shape: { ints: [2] }, strides: { ints: [2] }, pads: { ints: [1, 1] } },
    outputs: 2,
    dims: [_, 4, 4],
  },
  {
    op: "MaxPool",
    attributes: { kernel_shape: { ints: [4] }, strides: { ints: [4] }, ceil_mode: i(1) },
    outputs: 2,
    dims: [_, 4, _],
  },
  ...each("GlobalAveragePool GlobalLpPool GlobalMaxPool", { x: image, dims: [_, 4, 1, 1] }),
  {
    op: "Conv",
    input: ["x", "w"],
    constants: [floats("w", [5, 4, 3], Array(60).fill(1))],
    dims: [_, 5, 4],
  },
  {
    op: "Conv",
    input: ["x", "w"],
    attributes: { dilations: { ints: [2] }, pads: { ints: [2, 1] }, strides: { ints: [2] } },
    constants: [floats("w", [5, 4, 3], Array(60).fill(1))],
    dims: [_, 5, 3],
  },
  {
    op: "Conv",
    input: ["x", "w"],
    attributes: { auto_pad: { s: "SAME_UPPER" } },
    constants: [floats("w", [5, 4, 3], Array(60).fill(1))],
    dims: [_, 5, _],
  },
  {
    op: "DequantizeLinear",
    input: ["q", "scale"],
    constants: [
      messages.tensor("q", "int8", [2, 3], new Int8Array(6)),
      floats("scale", [], [0.5]),
    ],
    dims: [2, 3],
  },
  ...each(
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd " +
      "ReduceSumSquare",
    { attributes: { axes: { ints: [-1, 0] } }, dims: [1, 4, 1] },
  ),
  { op: "ReduceMax", dims: [1, 1, 1] },
  { op: "ReduceMax", attributes: { keepdims: i(0) }, dims: [] },
  { op: "ReduceSum", input: ["x", "k"], constants: [ints("k", [1])], dims: [_, 1, 6] },
  { op: "ReduceSum", attributes: { noop_with_empty_axes: i(1) }, dims: [_, 4, 6] },
  ...each("ArgMax ArgMin", { attributes: { axis: i(-2) }, dims: [_, 1, 6], dtype: "int64" }),
  { op: "ArgMax", attributes: { keepdims: i(0) }, dims: [4, 6], dtype: "int64" },
  { op: "Cast", attributes: { to: i(6) }, dims: [_, 4, 6], dtype: "int32" },
  { op: "Concat", input: ["x", "x"], attributes: { axis: i(-1) }, dims: [_, 4, 12] },
  { op: "Concat", input: ["x", "x"], attributes: { axis: i(0) }, dims: [_, 4, 6] },
  { op: "Constant", input: [], attributes: { value: { t: row } }, dims: [6] },
  { op: "Constant", input: [], attributes: { value_float: { f: 2 } }, dims: [] },
  { op: "Constant", input: [], attributes: { value_floats: { floats: [1, 2] } }, dims: [2] },
  { op: "Constant", input: [], attributes: { value_int: i(3) }, dims: [], dtype: "int64" },
  {
    op: "Constant",
    input: [],
    attributes: { value_ints: { ints: [3, 4, 5] } },
    dims: [3],
    dtype: "int64",
  },
  {
    op: "ConstantOfShape",
    input: ["k"],
    constants: [ints("k", [3, 2])],
    attributes: { value: { t: messages.tensor("v", "int32", [1], Int32Array.of(7)) } },
    dims: [3, 2],
    dtype: "int32",
  },
  { op: "Expand", input: ["row", "k"], constants: [row, ints("k", [3, 2, 1])], dims: [3, 2, 6] },
  { op: "Flatten", dims: [_, 24] },
  { op: "Flatten", attributes: { axis: i(-1) }, dims: [_, 6] },
  { op: "Flatten", input: ["row"], constants: [row], attributes: { axis: i(0) }, dims: [1, 6] },
  {
    op: "Gather",
    input: ["x", "k"],
    constants: [ints("k", [0, 1, 1, 0, 2, 3], [2, 3])],
    attributes: { axis: i(-2) },
    dims: [_, 2, 3, 6],
  },
  {
    op: "Gemm",
    input: ["a", "b"],
    constants: [floats("a", [3, 2], Array(6).fill(1)), floats("b", [5, 3], Array(15).fill(1))],
    attributes: { transA: i(1), transB: i(1) },
    dims: [2, 5],
  },
  {
    op: "MatMul",
    input: ["x", "w"],
    constants: [floats("w", [3, 1, 6, 5], Array(90).fill(1))],
    dims: [3, _, 4, 5],
  },
  // A vector's product is not worked out.
  { op: "MatMul", input: ["x", "row"], constants: [row], dims: _ },
  { op: "Reshape", input: ["x", "k"], constants: [ints("k", [0, -1, 3])], dims: [_, _, 3] },
  { op: "Reshape", input: ["row", "k"], constants: [row, ints("k", [2, -1])], dims: [2, 3] },
  { op: "Shape", attributes: { start: i(1) }, dims: [2], dtype: "int64" },
  { op: "Size", dims: [], dtype: "int64" },
  {
    op: "Slice",
    input: ["x", "from", "to", "axes", "steps"],
    constants: [
      ints("from", [1, -3]),
      ints("to", [100, 5]),
      ints("axes", [1, -1]),
      ints("steps", [1, 1]),
    ],
    dims: [_, 3, 2],
  },
  {
    op: "Slice",
    attributes: { starts: { ints: [1] }, ends: { ints: [3] }, axes: { ints: [2] } },
    opset: 9,
    dims: [_, 4, 2],
  },
  {
    op: "Squeeze",
    input: ["u", "k"],
    constants: [floats("u", [1, 3, 1], [1, 2, 3]), ints("k", [-1])],
    dims: [1, 3],
  },
  { op: "Squeeze", input: ["u"], constants: [floats("u", [1, 3, 1], [1, 2, 3])], dims: [3] },
  { op: "Transpose", attributes: { perm: { ints: [2, 0, 1] } }, dims: [6, _, 4] },
  { op: "Transpose", dims: [6, 4, _] },
  { op: "Unsqueeze", input: ["x", "k"], constants: [ints("k", [0, -1])], dims: [1, _, 4, 6, 1] },
  {
    op: "Where",
    input: ["flag", "x", "one"],
    constants: [flag, one],
    dims: [_, 4, 6],
  },
];

Deno.test("every shape rule agrees with what its operator computes", async (t) => {
  const tried = new Set(cases.map(({ op }) => op));
  assertEquals([...SHAPE_RULES.keys()].filter((op) => !tried.has(op)), []);
  for (const { op, input = ["x"], constants = [], attributes, ...more } of cases) {
    const { opset = 17, outputs = 1, dims, dtype = "float32", x = [2, 4, 6] } = more;
    await t.step(
      `${op} ${JSON.stringify(attributes ?? {}, (_, v) => v?.$typeName ?? v)}`,
      async () => {
        const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
        const model = smallModel({
          opset,
          nodes: [node("Identity", ["x"], ["same"]), node(op, input, names, attributes)],
          constants,
          inputs: { x: ["float32", "n", ...x.slice(1)] },
          outputs: ["same"],
        });
        const facts = new ShapeFacts(model.graph);
        assertEquals([facts.dims("y0"), facts.dtype("y0")], [dims, dtype]);
        // A wrong element type is refused by onnxruntime.
        const known = names.map((name) => ({ name, dtype: facts.dtype(name)! }));
        const results = await runModel(withOutputs(model, known), { x: noise(...x) });
        for (const name of names) {
          const [told, made] = [facts.dims(name), results[name].dims];
          if (!told) continue;
          assertEquals(told.length, made.length);
          told.forEach((size, i) => assert(size === undefined || size === made[i], `${made}`));
        }
      },
    );
  }
});

/** A model of a few nodes that is never run. */
function facts(
  nodes: readonly ReturnType<typeof node>[],
  constants: readonly TensorProto[] = [],
  inputs: Parameters<typeof smallModel>[0]["inputs"] = { x: ["float32", 2, 4, 6] },
) {
  return new ShapeFacts(smallModel({ opset: 17, nodes, constants, inputs, outputs: [] }).graph);
}

Deno.test("numbers in a file do not decide what memory is taken", () => {
  const huge = 2 ** 40;
  const reading = (op: string, ...more: string[]) => node(op, ["x", ...more], ["y"]);
  const many = ints("k", Array(1e5).fill(1));
  const asking: [ReturnType<typeof node>, TensorProto[]?][] = [
    // An input that says it is of so many numbers.
    [reading("Reshape", "s")],
    [reading("Expand", "s")],
    [node("ConstantOfShape", ["s"], ["y"])],
    [node("Shape", ["s"], ["y"], { start: i(-huge), end: i(huge) })],
    // A constant that names dimensions which are not there.
    [reading("Slice", "k", "k", "k"), [ints("k", [huge])]],
    [reading("Unsqueeze", "k"), [ints("k", [huge])]],
    [reading("Squeeze", "k"), [ints("k", [-huge])]],
    [reading("ReduceSum", "k"), [ints("k", [huge])]],
    [node("Gather", ["x", "k"], ["y"], { axis: i(huge) }), [ints("k", [0])]],
    [node("Concat", ["x", "x"], ["y"], { axis: i(-huge) })],
    [node("Transpose", ["x"], ["y"], { perm: { ints: [huge, -huge] } })],
    [node("ArgMax", ["x"], ["y"], { axis: i(huge) })],
    [node("Slice", ["x"], ["y"], { starts: { ints: [0, 0, 0, 0, 0] }, ends: { ints: [1] } })],
    // One of very many.
    [reading("Reshape", "k"), [many]],
    [reading("Unsqueeze", "k"), [many]],
    [node("ConstantOfShape", ["k"], ["y"]), [many]],
  ];
  const inputs = { x: ["float32", 2, 4, 6], s: ["int64", huge] } as const;
  for (const [each, constants] of asking) {
    const known = facts([each, node("Relu", ["y"], ["z"])], constants, {
      x: [...inputs.x],
      s: [...inputs.s],
    });
    const dims = known.dims("z");
    assert(dims === undefined || dims.length <= 8, `${each.opType}: ${dims?.length}`);
  }
});

Deno.test("sizes that no tensor has are unknown", () => {
  const target = ints("k", [-7, 2 ** 60, 3]);
  assertEquals(facts([node("ConstantOfShape", ["k"], ["y"])], [target]).dims("y"), [_, _, 3]);
  assertEquals(facts([node("Reshape", ["x", "k"], ["y"])], [target]).dims("y"), [_, _, 3]);
  assertEquals(facts([node("Expand", ["one", "k"], ["y"])], [one, target]).dims("y"), [_, _, 3]);
  // Numbers with a fraction are no sizes.
  const broken = floats("k", [1], [2.5]);
  assertEquals(facts([node("Reshape", ["x", "k"], ["y"])], [broken]).dims("y"), [_]);
});

Deno.test("dimensions that double at every node are not followed for ever", () => {
  const doubling = Array.from(
    { length: 60 },
    (_, i) => node("Gather", [`x${i}`, `x${i}`], [`x${i + 1}`]),
  );
  const known = facts(doubling, [], { x0: ["int64", 2, 2] });
  assertEquals(known.dims("x5")?.length, 2 ** 5 + 1);
  assertEquals(2 ** 6 + 1 > MAX_RANK && known.dims("x6"), undefined);
  assertEquals([known.dims("x60"), known.dtype("x60")], [undefined, "int64"]);
});

Deno.test("an operator named like a property of every object has no rule", () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    const known = facts([node(name, ["x"], ["y"]), node("Relu", ["y"], ["z"])]);
    assertEquals([known.dtype("z"), known.dims("z")], [undefined, undefined]);
  }
});

Deno.test("a size that is written as −1 is unknown", () => {
  const known = facts(
    [node("Relu", ["x"], ["y"]), node("Concat", ["y", "y"], ["z"], { axis: i(0) })],
    [],
    { x: ["float32", -1, 4] },
  );
  assertEquals(known.view.type("x"), { dtype: "float32", dims: [undefined, 4] });
  assertEquals([known.dims("y"), known.dims("z")], [[_, 4], [_, 4]]);
});

Deno.test("what the file states of a shape does not let constants grow", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Tile", ["one", "k"], ["t"]),
      node("ReduceMax", ["t"], ["m"]),
      node("Add", ["x", "m"], ["y"]),
    ],
    constants: [floats("one", [1], [1]), ints("k", [2 ** 30])],
    inputs: { x: ["float32", 4] },
    outputs: ["y"],
  });
  model.graph.valueInfo.push(messages.valueInfo("t", "float32", [1]));
  assertEquals(new ShapeFacts(model.graph).dims("t"), [2 ** 30]);
  // Folded, it would take four gigabytes.
  const prepared = await prepareOnnx(model);
  assertEquals(prepared.graph.node.map(({ opType }) => opType), ["Tile", "ReduceMax", "Add"]);
  // Of an operator of which nothing is known, the file's word is all there is.
  model.graph.node[0].opType = "Mystery";
  assertEquals(new ShapeFacts(model.graph).dims("t"), [1]);
});
