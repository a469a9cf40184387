/** What cannot be quantized, and that the error says why. */
import { assert, assertMatch, assertRejects } from "@std/assert";
import {
  type OnnxFeeds,
  type OnnxModel,
  quantizeStatic,
  type QuantizeStaticOptions,
} from "../../mod.ts";
import { graphProto, messages } from "./files.ts";
import { functionProto } from "./functions.ts";
import { floats, ints, node, noise, type SmallModel, smallModel } from "./small_models.ts";

type Nodes = SmallModel["nodes"];
type Source = OnnxModel | Uint8Array<ArrayBuffer>;

/** What is refused: the model or its bytes, what the error says, and how it is called. */
interface Refusal {
  readonly source: () => Source;
  readonly says: RegExp;
  readonly samples?: OnnxFeeds[];
  readonly options?: QuantizeStaticOptions;
}

const rows = (...numbers: number[]): OnnxFeeds => ({
  x: { data: Float32Array.from(numbers), dims: [numbers.length / 4, 4] },
});
const SAMPLES = [rows(1, 2, 3, 4), rows(-1, 0, 2, 5)];

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array));

/** A model that takes `x` [n, 4] and gives `y`. */
function model(
  nodes: Nodes,
  constants: SmallModel["constants"] = [weight("w", 4, 3)],
  parts: Partial<SmallModel> = {},
): OnnxModel {
  return smallModel({
    ...{ opset: 17, nodes, constants, inputs: { x: ["float32", "n", 4] }, outputs: ["y"] },
    ...parts,
  });
}

const PRODUCT = node("MatMul", ["x", "w"], ["y"]);
const product = () => model([node("MatMul", ["x", "w"], ["y"])]);

/** The product, changed. */
function changed(change: (model: OnnxModel) => void): () => OnnxModel {
  return () => {
    const made = product();
    change(made);
    return made;
  };
}

const odd = (name: string, dims: number[], at: number, value: number) => {
  const data = Array.from(noise(...dims).data as Float32Array);
  data[at] = value;
  return floats(name, dims, data);
};

const text = (content: string) => () => new TextEncoder().encode(content);
const bytes = (...content: number[]) => () =>
  new Uint8Array([...content, ...new Array(60).fill(0)]);

const branch = (name: string) =>
  graphProto({
    name,
    node: [node("MatMul", ["x", "w"], [`${name}.y`])],
    output: [messages.valueInfo(`${name}.y`, "float32")],
  });

const REFUSALS: Record<string, Refusal> = {
  // What is no ONNX model.
  "an empty file": { source: text(""), says: /an empty file/ },
  "a page of the web": { source: text("<!DOCTYPE html><html></html>"), says: /HTML/ },
  "a pointer of Git LFS": {
    source: text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    says: /pointer of Git LFS/,
  },
  "a gzip archive": { source: bytes(0x1f, 0x8b, 8), says: /gzip/ },
  "a zip archive": { source: bytes(0x50, 0x4b, 3, 4), says: /zip archive/ },
  "a pickle": { source: bytes(0x80, 2, 0x8a, 10, 0x6c), says: /pickle/ },
  "a TensorFlow Lite model": {
    source: bytes(0x1c, 0, 0, 0, ...new TextEncoder().encode("TFL3")),
    says: /TensorFlow Lite/,
  },
  "a model that is cut off": {
    source: () => product().toBytes().slice(0, 60),
    says: /cut off/,
  },
  // What is no whole model.
  "no operator set": {
    source: changed(({ proto }) => proto.opsetImport = []),
    says: /operator set/,
  },
  "an operator set that is too old": {
    source: changed((m) => m.setOpset(6)),
    says: /declares operator set 6, and the oldest that is understood is 7/,
  },
  "an operator set of the future": {
    source: changed((m) => m.setOpset(99)),
    says: /onnxruntime does not take the model: .*Opset 99 is under development/,
  },
  "a file format of the future": {
    source: changed(({ proto }) => proto.irVersion = 99n),
    says: /does not take the model: Unsupported model IR version: 99/,
  },
  "an operator that nobody knows": {
    source: () => model([node("Foo", ["x"], ["g"]), node("MatMul", ["g", "w"], ["y"])]),
    says: /the Foo node that makes "g" is no operator of ONNX/,
  },
  "a domain that is not imported": {
    source: () =>
      model([node("Gelu", ["x"], ["g"], {}, "com.microsoft"), node("MatMul", ["g", "w"], ["y"])]),
    says: /Gelu node .*is of the domain com\.microsoft, which the model does not import/,
  },
  "an operator of the user's own": {
    source: () =>
      model(
        [node("Foo", ["x"], ["g"], {}, "com.acme"), node("MatMul", ["g", "w"], ["y"])],
        undefined,
        {
          domains: { "com.acme": 1 },
        },
      ),
    says:
      /type of "g", which Foo node "Foo:g" of the domain com\.acme makes, is not known.*com\.acme:Foo/,
  },
  "a circle": {
    source: () =>
      model([node("Add", ["x", "b"], ["a"]), node("MatMul", ["a", "w"], ["b"])], [
        weight("w", 4, 4),
      ], {
        outputs: ["b"],
      }).toBytes(),
    says: /cyclic: Add "a" reads MatMul "b" reads Add "a"/,
  },
  "a value that nothing makes": {
    source: () => model([node("MatMul", ["z", "w"], ["y"])]).toBytes(),
    says: /reads the value "z", which nothing makes/,
  },
  "shapes that do not fit": {
    source: () => model([PRODUCT], [weight("w", 5, 3)]),
    says: /Incompatible dimensions/,
  },
  "no outputs": {
    source: changed(({ graph }) => graph.output = []),
    says: /the model has no outputs/,
  },
  "no nodes": { source: () => model([], [], { outputs: ["x"] }), says: /the model has no nodes/ },
  // What is quantized already.
  "a quantized product": {
    source: () =>
      model([node("DynamicQuantizeMatMul", ["x", "w"], ["y"], {}, "com.microsoft")], undefined, {
        domains: { "com.microsoft": 1 },
      }),
    says: /quantized already: it has the DynamicQuantizeMatMul node that makes "y"/,
  },
  "quantized activations": {
    source: () => {
      const scale = floats("s", [], [1]);
      const zero = messages.tensor("z", "uint8", [], [0]);
      return model([
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("MatMul", ["d", "w"], ["y"]),
      ], [weight("w", 4, 3), scale, zero]);
    },
    says: /quantized already: it has the QuantizeLinear node/,
  },
  // What has nothing that becomes integers, for one reason or another.
  "nothing that multiplies": {
    source: () => model([node("Relu", ["x"], ["a"]), node("Exp", ["a"], ["y"])]),
    says: /there is nothing to quantize: the model has no Conv, .*its operators \(Exp and Relu\)/,
  },
  "integers only": {
    source: () =>
      model([node("Add", ["x", "x"], ["a"]), node("Mul", ["a", "c"], ["y"])], [ints("c", [3])], {
        inputs: { x: ["int64", "n"] },
      }),
    says: /the model computes with int64 only/,
  },
  "texts only": {
    source: () => {
      const nodes = [node("StringNormalizer", ["x"], ["y"])];
      const made = model(nodes, [], { inputs: { x: ["string", "n"] } });
      made.graph.output = [messages.valueInfo("y", "string", ["n"])];
      return made;
    },
    says: /the model computes with string only/,
  },
  "weights of a recurrent layer": {
    source: () =>
      model([node("LSTM", ["x", "lw", "lr"], ["y"], { hidden_size: { i: 4 } })], [
        weight("lw", 1, 16, 4),
        weight("lr", 1, 16, 4),
      ], { inputs: { x: ["float32", "t", 1, 4] } }),
    says: /all weights of the model belong to LSTM, such as LSTM node "LSTM:y"/,
  },
  "a small product inside of an If": {
    source: () =>
      model(
        [
          node("If", ["c"], ["y"], {
            then_branch: { g: branch("a") },
            else_branch: { g: branch("b") },
          }),
        ],
        undefined,
        { inputs: { x: ["float32", "n", 4], c: ["bool"] } },
      ),
    says:
      /none of the model's 2 MatMul nodes can be quantized: .*it stands in a graph inside of If node "If:y"/,
  },
  "a convolution whose weight is given": {
    source: () =>
      model([node("Conv", ["x", "w"], ["y"])], [], {
        inputs: { x: ["float32", 1, 3, 8, 8], w: ["float32", 4, 3, 1, 1] },
      }),
    says:
      /the model's only Conv cannot be quantized: Conv node "Conv:y": its weight is no constant/,
  },
  "a Gemm whose weight is computed": {
    source: () =>
      model([node("Relu", ["w"], ["r"]), node("Gemm", ["x", "r"], ["y"])], [], {
        inputs: { x: ["float32", "n", 4], w: ["float32", 4, 3] },
      }),
    says: /the model's only Gemm cannot be quantized: .*its weight is no constant/,
  },
  "a weight without elements": {
    source: () =>
      model([PRODUCT], [floats("w", [0, 3], [])], { inputs: { x: ["float32", "n", 0] } }),
    says: /its weight has no elements/,
  },
  "constants only": {
    source: () =>
      model([node("MatMul", ["a", "w"], ["y"])], [weight("a", 2, 4), weight("w", 4, 3)]),
    says: /nothing is left to compute once constants are folded/,
  },
  // What the options leave nothing of.
  "operators that the model does not have": {
    source: product,
    options: { opTypesToQuantize: ["Conv"] },
    says: /opTypesToQuantize names Conv, and the model has only MatMul/,
  },
  "operators without integer kernels": {
    source: product,
    options: { opTypesToQuantize: ["Erf"] },
    says: /opTypesToQuantize names Erf, which onnxruntime has no integer kernel for/,
  },
  "operators that only pass on": {
    source: () => model([node("Relu", ["x"], ["r"]), node("MatMul", ["r", "w"], ["y"])]),
    options: { opTypesToQuantize: ["Relu"] },
    says: /opTypesToQuantize names Relu, which are quantized only beside .*MatMul/,
  },
  "an operator that is misspelt": {
    source: product,
    options: { opTypesToQuantize: ["Matmul"] },
    says: /names "Matmul", which is no operator of ONNX/,
  },
  "every node left out": {
    source: product,
    options: { nodesToExclude: ["MatMul:y"] },
    says: /the model's only MatMul cannot be quantized: .*it is left out by nodesToExclude/,
  },
  "other nodes asked for": {
    source: () => model([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])]),
    options: { nodesToQuantize: ["Relu:y"] },
    says: /only MatMul cannot be quantized: .*nodesToQuantize does not name it/,
  },
  "a node that is not there": {
    source: product,
    options: { nodesToExclude: ["fc"] },
    says: /the prepared model has no node "fc"; its nodes are MatMul:y/,
  },
  "types that no kernel takes": {
    source: product,
    options: { activationType: "int8", weightType: "uint8" },
    says: /activations of int8 go with weights of int8, not uint8/,
  },
  "a method that is misspelt": {
    source: product,
    options: { calibrationMethod: "min-maxx" as "minmax" },
    says: /min-maxx/,
  },
  "an override of nothing": {
    source: product,
    options: { tensorOverrides: { z: { min: 0, max: 1 } } },
    says: /tensorOverrides names "z", which is no value that becomes integers/,
  },
  // Functions of the model.
  "a function that calls itself": {
    source: () => {
      const made = model([node("F", ["x"], ["y"], {}, "own")], [], { domains: { own: 1 } });
      made.proto.functions = [
        functionProto("F", ["a"], ["b"], [node("F", ["a"], ["b"], {}, "own")]),
      ];
      return made;
    },
    says: /the function "F" calls itself/,
  },
  "a function of another operator set": {
    source: () => {
      const made = model([node("F", ["x"], ["y"], {}, "own")], [], { domains: { own: 1 } });
      const inner = [node("ReduceMax", ["a"], ["b"])];
      made.proto.functions = [functionProto("F", ["a"], ["b"], inner, { opset: 18 })];
      return made;
    },
    says: /the function "F" uses version 18 of the operator set ai\.onnx and the model version 17/,
  },
  // Numbers that are none.
  "a weight that is NaN": {
    source: () => model([PRODUCT], [odd("w", [4, 3], 7, NaN)]),
    says: /the weight of MatMul node "MatMul:y" is not finite: "w" holds NaN at \(2, 1\)/,
  },
  "a weight that is infinite": {
    source: () => model([node("Gemm", ["x", "w"], ["y"])], [odd("w", [4, 3], 0, -Infinity)]),
    says: /the weight of Gemm node "Gemm:y" is not finite: "w" holds -Infinity at \(0, 0\)/,
  },
  "a bias that is NaN": {
    source: () =>
      model([node("Gemm", ["x", "w", "b"], ["y"])], [weight("w", 4, 3), odd("b", [3], 2, NaN)]),
    says: /the bias of Gemm node "Gemm:y" is not finite: "b" holds NaN at \(2\)/,
  },
  "an infinity in a weight that is folded": {
    source: () =>
      model([
        node("Transpose", ["v"], ["w"]),
        node("MatMul", ["x", "w"], ["y"]),
      ], [odd("v", [3, 4], 5, Infinity)]),
    says: /the weight of MatMul node "MatMul:y" is not finite: "w" holds Infinity at \(1, 1\)/,
  },
  "a constant that makes an activation infinite": {
    source: () =>
      model([
        node("Add", ["x", "k"], ["a"]),
        node("MatMul", ["a", "w"], ["y"]),
      ], [weight("w", 4, 3), odd("k", [4], 3, Infinity)]),
    says:
      /"a", which Add node "Add:a" makes, holds .*the constant "k" before it holds Infinity at \(3\); mend it/,
  },
  "an activation that becomes NaN": {
    source: () => model([node("Log", ["x"], ["l"]), node("MatMul", ["l", "w"], ["y"])]),
    says: /"l", which Log node "Log:l" makes, holds a NaN or an infinity in sample 1/,
  },
  // Samples.
  "no samples": { source: product, samples: [], says: /there are no samples/ },
  "a sample that is NaN": {
    source: product,
    samples: [rows(1, 2, NaN, 4)],
    says: /the input "x" holds a NaN or an infinity in sample 0 .*leave that sample out/,
  },
  "a sample under another name": {
    source: product,
    samples: [{ input: rows(1, 2, 3, 4).x }],
    says: /the model has no input "input"; it takes "x": float32 \[n, 4\]/,
  },
  "a sample of another shape": {
    source: product,
    samples: [{ x: { data: new Float32Array(6), dims: [2, 3] } }],
    says: /a tensor of shape \[2, 3\] was given, but the model's input is "x": float32 \[n, 4\]/,
  },
  "a sample of another type": {
    source: product,
    samples: [{ x: { data: new Int32Array(4), dims: [1, 4] } }],
    says: /elements in a Int32Array were given/,
  },
  "an index beyond the table, where nothing needs a range": {
    source: () =>
      model([node("Gather", ["e", "x"], ["g"]), node("MatMul", ["g", "w"], ["y"])], [
        weight("e", 10, 4),
        weight("w", 4, 3),
      ], { inputs: { x: ["int64", "n"] } }),
    samples: [{ x: { data: BigInt64Array.of(1n, 99n), dims: [2] } }],
    says: /idx=99 must be within the inclusive range \[-10,9\].*sample 0/s,
  },
  "a sequence as input": {
    source: () => {
      const made = model([
        node("SequenceAt", ["x", "i"], ["g"]),
        node("MatMul", ["g", "w"], ["y"]),
      ], [weight("w", 4, 3), ints("i", [0], [])]);
      const { onnx, protobuf: { create } } = messages;
      const elemType = made.graph.input[0].type;
      made.graph.input[0].type = create(onnx.TypeProtoSchema, {
        value: { case: "sequenceType", value: create(onnx.TypeProto_SequenceSchema, { elemType }) },
      });
      return made;
    },
    says: /the model's input "x" is no tensor/,
  },
};

for (const [what, { source, says, samples = SAMPLES, options }] of Object.entries(REFUSALS)) {
  Deno.test(`quantizeStatic refuses ${what}, and says why`, async () => {
    const { message } = await assertRejects(
      () => quantizeStatic(source(), samples, options),
      Error,
    );
    assertMatch(message, says);
    const untrue = what !== "nothing that multiplies" && message.includes("nothing to quantize");
    assert(!untrue, message);
  });
}
