/** Models of a few nodes, and running them. */
import { create } from "@bufbuild/protobuf";
import { GraphProtoSchema, ModelProtoSchema, type NodeProto, type TensorProto } from "onnx-buf";
import * as ort from "onnxruntime-node";
import { ShapeFacts } from "../../lib/onnx/graph/infer_shapes.ts";
import { OnnxModel } from "../../lib/onnx/file/model.ts";
import type { OnnxDataType } from "../../lib/onnx/file/data_type.ts";
import type { AttributeValue } from "../../lib/onnx/file/messages.ts";
import { messages } from "./files.ts";

/** A tensor as onnxruntime takes it. */
export type Feeds = Record<string, ort.Tensor>;

/** What a small model is made of. */
export interface SmallModel {
  readonly opset: number;
  readonly ir?: number;
  readonly nodes: readonly NodeProto[];
  readonly constants?: readonly TensorProto[];
  /** Types and shapes; a name is a size that is left open. */
  readonly inputs: Readonly<Record<string, [OnnxDataType, ...(number | string)[]]>>;
  readonly outputs: readonly string[];
  readonly domains?: Readonly<Record<string, number>>;
}

/** A node. */
export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain?: string,
): NodeProto {
  return messages.node({ opType, input, output, attributes, domain });
}

/** A float32 constant. */
export function floats(name: string, dims: readonly number[], values: readonly number[]) {
  return messages.tensor(name, "float32", dims, Float32Array.from(values));
}

/** An int64 constant. */
export function ints(name: string, values: readonly number[], dims = [values.length]) {
  return messages.tensor(name, "int64", dims, BigInt64Array.from(values, BigInt));
}

/** A model of a few nodes. */
export function smallModel(
  { opset, ir = 8, nodes, constants = [], inputs, outputs, domains = {} }: SmallModel,
): OnnxModel {
  const graph = create(GraphProtoSchema, {
    name: "g",
    node: [...nodes],
    initializer: [...constants],
    input: Object.entries(inputs).map(([name, [dtype, ...dims]]) =>
      messages.valueInfo(name, dtype, dims)
    ),
  });
  const facts = new ShapeFacts(graph);
  graph.output = outputs.map((name) => messages.valueInfo(name, facts.dtype(name) ?? "float32"));
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(ir),
    opsetImport: [
      messages.opset("", opset),
      ...Object.entries(domains).map(([domain, version]) => messages.opset(domain, version)),
    ],
    graph,
  });
  return new OnnxModel(proto, messages);
}

/** Numbers from −2 to 2 that look random, the same each time. */
export function noise(...dims: number[]): ort.Tensor {
  let state = 12345 + dims.length;
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 30 - 2;
  });
  return new ort.Tensor("float32", data, dims);
}

/** The outputs of a model, run as it is written. */
export async function runModel(model: OnnxModel, feeds: Feeds): Promise<Feeds> {
  const session = await ort.InferenceSession.create(model.toBytes(), {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 4,
  });
  try {
    return await session.run(feeds) as Feeds;
  } finally {
    await session.release();
  }
}

/** The greatest difference between two sets of outputs; infinite if names, shapes or types differ. */
export function difference(a: Feeds, b: Feeds): number {
  const shape = (feeds: Feeds) =>
    JSON.stringify(Object.entries(feeds).map(([name, { type, dims }]) => [name, type, dims]));
  if (shape(a) !== shape(b)) return Infinity;
  let worst = 0;
  for (const name of Object.keys(a)) {
    const [x, y] = [a[name].data, b[name].data].map((data) =>
      Array.from(data as ArrayLike<number | bigint>, Number)
    );
    x.forEach((value, i) => {
      const off = Object.is(value, y[i]) ? 0 : Math.abs(value - y[i]);
      worst = Number.isNaN(off) ? Infinity : Math.max(worst, off);
    });
  }
  return worst;
}

/** How often each operator stands in a model, constants left out. */
export function operators(model: OnnxModel): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { opType } of model.graph.node) {
    if (opType !== "Constant") counts[opType] = (counts[opType] ?? 0) + 1;
  }
  return counts;
}
