/**
 * Models that are made from nothing.
 *
 * @module
 */
import { VERSION } from "../../files/version.ts";
import type { OnnxMessages } from "../file/messages.ts";
import { OnnxModel } from "../file/model.ts";
import type { NodeProto, TensorProto, ValueInfoProto } from "../file/proto.ts";

/** What a model says of who made it. */
export const PRODUCER = { producerName: "staticquant", producerVersion: VERSION };

/** What a new model begins with. */
export interface ModelParts {
  /** The graph's name. */
  readonly name: string;
  /** The version of ONNX's own operator set. */
  readonly opset: number;
  readonly input?: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly node?: readonly NodeProto[];
  readonly initializer?: readonly TensorProto[];
}

/** The version of the file format that came with an operator set. */
export function irVersionOf(opset: number): number {
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return opset >= 15 ? 8 : 7;
}

/** A model of a new graph. */
export function newModel(messages: OnnxMessages, parts: ModelParts): OnnxModel {
  const { name, opset, input = [], output, node = [], initializer = [] } = parts;
  const { onnx: { ModelProtoSchema, GraphProtoSchema }, protobuf: { create } } = messages;
  const graph = create(GraphProtoSchema, {
    name,
    input: [...input],
    output: [...output],
    node: [...node],
    initializer: [...initializer],
  });
  const proto = create(ModelProtoSchema, {
    irVersion: BigInt(irVersionOf(opset)),
    ...PRODUCER,
    opsetImport: [messages.opset("", opset)],
    graph,
  });
  return new OnnxModel(proto, messages);
}
