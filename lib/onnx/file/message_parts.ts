/**
 * A model as the bytes of one file, without bringing its large constants together in memory.
 *
 * @module
 */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { joinParts, lengthOf, type Part } from "../../files/file_bytes.ts";
import type { OnnxMessages } from "./messages.ts";
import type { GraphProto, ModelProto, TensorProto } from "./proto.ts";
import { rawLength, setRawData, storedBytes } from "./tensor_bytes.ts";
import { varint } from "./varint.ts";

/** Raw bytes from which on a constant is a part of its own. */
const LARGE = 1 << 16;

/** A copy of a message that shares what it holds, but for some fields. */
export function withFields<T extends object>(message: T, fields: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message)), message, fields);
}

/** What comes before a field of messages or bytes: its number and their length. */
function header(field: number, length: number): Uint8Array {
  return Uint8Array.from([...varint(field * 8 + 2), ...varint(length)]);
}

/** Writes messages that have one field which is written apart. */
class PartWriter {
  constructor(private readonly messages: OnnxMessages) {}

  /** A message's bytes: fields are in the order of their numbers, so those around one come before and after. */
  private around<T extends Message>(
    schema: DescMessage,
    message: T,
    name: string & keyof T,
    field: readonly Part[],
  ): Part[] {
    const { number } = schema.field[name];
    const part = (kept: (number: number) => boolean, rest: boolean) => {
      const copy = Object.create(Object.getPrototypeOf(message));
      for (const [key, value] of Object.entries(message)) {
        const field = schema.field[key];
        if (field ? kept(field.number) : rest || key === "$typeName") copy[key] = value;
        else if (Array.isArray(value)) copy[key] = [];
      }
      return this.messages.protobuf.toBinary(schema, copy) as Uint8Array;
    };
    return [part((n) => n < number, false), ...field, part((n) => n > number, true)];
  }

  private tensor(tensor: TensorProto): Part[] {
    const { TensorProtoSchema } = this.messages.onnx;
    if (rawLength(tensor) < LARGE && !storedBytes(tensor)) {
      return [this.messages.protobuf.toBinary(TensorProtoSchema, tensor)];
    }
    const bytes = storedBytes(tensor) ?? tensor.rawData;
    const rest = withFields(tensor, {});
    if (storedBytes(tensor)) setRawData(rest, undefined);
    const raw = [header(TensorProtoSchema.field.rawData.number, bytes.length), bytes];
    return this.around(TensorProtoSchema, rest, "rawData", raw);
  }

  private graph(graph: GraphProto): Part[] {
    const { GraphProtoSchema } = this.messages.onnx;
    const { number } = GraphProtoSchema.field.initializer;
    const initializers = graph.initializer.flatMap((tensor) => {
      const parts = this.tensor(tensor);
      return [header(number, lengthOf(parts)), ...parts];
    });
    return this.around(GraphProtoSchema, graph, "initializer", initializers);
  }

  model(model: ModelProto): Part[] {
    const { ModelProtoSchema } = this.messages.onnx;
    const { number } = ModelProtoSchema.field.graph;
    if (!model.graph) return [this.messages.protobuf.toBinary(ModelProtoSchema, model)];
    const graph = this.graph(model.graph);
    return this.around(ModelProtoSchema, model, "graph", [
      header(number, lengthOf(graph)),
      ...graph,
    ]);
  }
}

/** Small neighbours in one array, so that a file is not written in crumbs. */
function gathered(parts: readonly Part[]): Part[] {
  const result: Part[] = [];
  let small: Uint8Array[] = [];
  const flush = () => {
    if (small.length > 0) result.push(joinParts(small));
    small = [];
  };
  for (const part of parts) {
    if (part instanceof Uint8Array && part.length < LARGE) {
      small.push(part);
      continue;
    }
    flush();
    result.push(part);
  }
  flush();
  return result;
}

/** The bytes of a model, in the form that the package gives them; large constants are shared, not copied. */
export function encodeModel(messages: OnnxMessages, model: ModelProto): Part[] {
  return gathered(new PartWriter(messages).model(model));
}
