/** Small models that are written and spoilt as files. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  type TensorProto,
  TensorProto_DataType as types,
  TensorProtoSchema,
} from "onnx-buf";
import { loadMessages } from "../../lib/onnx/file/messages.ts";

/** Makes messages. */
export const messages = await loadMessages("test");

/** A tensor with its elements wherever the test wants them. */
export function tensorProto(
  name: string,
  type: keyof typeof types,
  dims: readonly number[],
  fields: Partial<Omit<TensorProto, "$typeName">>,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: types[type],
    dims: dims.map(BigInt),
    ...fields,
  });
}

/** A graph. */
export function graphProto(fields: Partial<Omit<GraphProto, "$typeName">>): GraphProto {
  return create(GraphProtoSchema, { name: "g", ...fields });
}

/** A model of a graph. */
export function modelProto(graph: GraphProto): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "test",
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: 21n })],
    graph,
  });
}

/** The bytes of a model of a graph. */
export function fileOf(graph: GraphProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, modelProto(graph));
}

/** One element type kept in each way that the format has. */
export function everyStorage(): TensorProto[] {
  const bytes = (...all: number[]) => ({ rawData: Uint8Array.from(all) });
  return [
    tensorProto("raw", "FLOAT", [2], bytes(0, 0, 128, 63, 0, 0, 0, 192)),
    tensorProto("floats", "FLOAT", [2, 1], { floatData: [1, -2] }),
    tensorProto("doubles", "DOUBLE", [2], { doubleData: [1, -2] }),
    tensorProto("ints64", "INT64", [2], { int64Data: [1n, -2n] }),
    tensorProto("uints64", "UINT64", [2], { uint64Data: [1n, 2n ** 64n - 1n] }),
    tensorProto("uints32", "UINT32", [2], { uint64Data: [1n, 2n ** 32n - 1n] }),
    tensorProto("ints32", "INT32", [2], { int32Data: [1, -2] }),
    tensorProto("ints16", "INT16", [2], { int32Data: [1, -2] }),
    tensorProto("uints16", "UINT16", [2], { int32Data: [1, 65535] }),
    tensorProto("ints8", "INT8", [2], { int32Data: [1, -2] }),
    tensorProto("uints8", "UINT8", [2], { int32Data: [1, 255] }),
    tensorProto("bools", "BOOL", [2], { int32Data: [1, 0] }),
    tensorProto("halves", "FLOAT16", [2], { int32Data: [0x3c00, 0xc000] }),
    tensorProto("brains", "BFLOAT16", [2], { int32Data: [0x3f80, 0xc000] }),
    tensorProto("nibbles", "INT4", [3], { int32Data: [0xe1, 0x07] }),
    tensorProto("rawNibbles", "UINT4", [3], bytes(0xe1, 0x07)),
    tensorProto("crumbs", "INT2", [5], bytes(0b11_10_01_00, 0b01)),
    tensorProto("quarters", "FLOAT8E4M3FN", [2], bytes(0x38, 0xc0)),
    tensorProto("scalar", "INT8", [], bytes(255)),
    tensorProto("none", "FLOAT", [0, 3], {}),
    tensorProto("texts", "STRING", [2], {
      stringData: [new TextEncoder().encode("é"), new Uint8Array()],
    }),
  ];
}

/** A branch that reads `captured` from around it. */
export function branch(name: string, captured: string): GraphProto {
  return graphProto({
    name,
    node: [messages.node({ opType: "Neg", input: [captured], output: [`${name}.y`] })],
    output: [messages.valueInfo(`${name}.y`, "float32")],
  });
}

/** A graph with a branch, constants of every kind and storage, and states of its shapes. */
export function variedGraph(): GraphProto {
  const { node, valueInfo } = messages;
  const make = { node: node.bind(messages), valueInfo: valueInfo.bind(messages) };
  return graphProto({
    input: [
      make.valueInfo("x", "float32", ["batch", undefined, 2]),
      make.valueInfo("c", "bool", []),
    ],
    output: [make.valueInfo("y", "float32"), make.valueInfo("k", "float32", [2])],
    valueInfo: [make.valueInfo("s", "float32", ["batch", 4, 2])],
    initializer: everyStorage(),
    sparseInitializer: [
      create(SparseTensorProtoSchema, {
        values: tensorProto("sparse", "FLOAT", [1], { floatData: [3] }),
        indices: tensorProto("", "INT64", [1], { int64Data: [1n] }),
        dims: [4n],
      }),
    ],
    node: [
      make.node({
        opType: "Constant",
        input: [],
        output: ["k"],
        attributes: { value: { t: tensorProto("", "FLOAT", [2], { floatData: [1, 2] }) } },
      }),
      make.node({ name: "add", opType: "Add", input: ["x", "raw"], output: ["s"] }),
      make.node({
        name: "if",
        opType: "If",
        input: ["c"],
        output: ["y"],
        attributes: {
          then_branch: { g: branch("then", "s") },
          else_branch: { g: branch("else", "k") },
        },
      }),
    ],
  });
}
