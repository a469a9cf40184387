/** Small networks for the forms of files, and how far a form is off. */
import * as ort from "onnxruntime-node";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import { messages } from "../files.ts";
import { type Feeds, ints, node, smallModel } from "../small_models.ts";

/** Numbers as of a normal distribution, the same for the same seed. */
export function gauss(count: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  let state = seed * 7919 + 12345;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / (2 ** 32 + 1);
  };
  return Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random()),
  );
}

/** A constant of such numbers. */
export function weight(name: string, dims: readonly number[], seed: number, scale = 0.1) {
  const count = dims.reduce((a, b) => a * b, 1);
  return messages.tensor(name, "float32", dims, gauss(count, seed, scale));
}

/** An input of such numbers. */
export function input(dims: readonly number[], seed = 1): ort.Tensor {
  return new ort.Tensor("float32", gauss(dims.reduce((a, b) => a * b, 1), seed), [...dims]);
}

/** Self-attention over embedded tokens, with a layer after it and one input for three products. */
export function attentionNet(rows = 128, width = 64): OnnxModel {
  const product = (from: string, to: string) => [
    node("MatMul", [from, `w_${to}`], [`p_${to}`]),
    node("Add", [`p_${to}`, `b_${to}`], [to]),
  ];
  const layers = ["q", "k", "v"];
  return smallModel({
    opset: 17,
    inputs: { ids: ["int64", "batch", "length"] },
    outputs: ["y"],
    constants: [
      weight("table", [rows, width], 1, 1),
      ...layers.flatMap((name, i) => [
        weight(`w_${name}`, [width, width], 2 + i),
        weight(`b_${name}`, [width], 6 + i),
      ]),
      weight("w_o", [width, 2 * width], 10),
      weight("b_o", [2 * width], 11),
      weight("one", [width], 12, 1),
      weight("zero", [width], 13),
      ints("axes", [0, 2, 1]),
    ],
    nodes: [
      node("Gather", ["table", "ids"], ["e"]),
      node("LayerNormalization", ["e", "one", "zero"], ["x"]),
      ...layers.flatMap((name) => product("x", name)),
      node("Transpose", ["k"], ["kt"], { perm: { ints: [0, 2, 1] } }),
      node("MatMul", ["q", "kt"], ["scores"]),
      node("Softmax", ["scores"], ["shares"]),
      node("MatMul", ["shares", "v"], ["mixed"]),
      node("Add", ["mixed", "x"], ["r"]),
      ...product("r", "o"),
      node("Relu", ["o"], ["y"]),
    ],
  });
}

/** Tokens for {@linkcode attentionNet}. */
export function tokens(...ids: number[]): Feeds {
  return { ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]) };
}

/** A recurrent layer. */
export function recurrentNet(
  opType: "LSTM" | "GRU",
  size = 32,
  attributes: Record<string, AttributeValue> = {},
): OnnxModel {
  const gates = opType === "LSTM" ? 4 : 3;
  const both = attributes.direction ? 2 : 1;
  return smallModel({
    opset: 17,
    inputs: { x: ["float32", "length", 1, size] },
    outputs: ["y"],
    constants: [
      weight("W", [both, gates * size, size], 1),
      weight("R", [both, gates * size, size], 2),
      weight("B", [both, 2 * gates * size], 3),
    ],
    nodes: [
      node(opType, ["x", "W", "R", "B"], ["y"], { hidden_size: { i: size }, ...attributes }),
    ],
  });
}

/** Two convolutions with biases, one of them channel by channel. */
export function convNet(): OnnxModel {
  return smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 8, "height", "width"] },
    outputs: ["y"],
    constants: [
      weight("w1", [16, 8, 3, 3], 1),
      weight("b1", [16], 2),
      weight("w2", [16, 1, 3, 3], 3),
      weight("w3", [24, 16, 1, 1], 4),
      weight("b3", [24], 5),
    ],
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["c1"], { pads: { ints: [1, 1, 1, 1] } }),
      node("Relu", ["c1"], ["r1"]),
      node("Conv", ["r1", "w2"], ["c2"], { group: { i: 16 } }),
      node("Conv", ["c2", "w3", "b3"], ["y"]),
    ],
  });
}

/** The outputs of a model as onnxruntime runs it with all of its optimizations. */
export async function runOptimized(model: OnnxModel, feeds: Feeds): Promise<Feeds> {
  const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 4 });
  try {
    return await session.run(feeds) as Feeds;
  } finally {
    await session.release();
  }
}

/** SQNR of the first output of one model beside another's, in dB. */
export async function sqnrOf(float: OnnxModel, form: OnnxModel, feeds: Feeds): Promise<number> {
  const [x, y] = await Promise.all([float, form].map((model) => runOptimized(model, feeds)));
  const name = float.graph.output[0].name;
  const numbers = (tensor: ort.Tensor) => Array.from(tensor.data as Float32Array, Number);
  const [a, b] = [numbers(x[name]), numbers(y[name])];
  if (a.length !== b.length) throw new Error(`${b.length} numbers, not ${a.length}`);
  const signal = a.reduce((sum, v) => sum + v * v, 0);
  const noise = a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0);
  return 10 * Math.log10(signal / noise);
}

/** How often each operator stands in what onnxruntime makes of a model. */
export async function kernels(model: OnnxModel): Promise<Record<string, number>> {
  const { optimized } = await import("../model.ts");
  const counts: Record<string, number> = {};
  for (const opType of await optimized(model.toBytes())) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}
