/**
 * Writing a graph as an ONNX file.
 *
 * @module
 */
import type { Graph, ValueInfo } from "./graph.ts";
import { loadMessages } from "../file/messages.ts";
import { MAX_MESSAGE_BYTES } from "../file/model.ts";

/** The operator set: the first with 4-bit integers and scales a block. */
const OPSET = 21;
/** The version of the file format that came with it. */
const IR_VERSION = 10n;

/**
 * The bytes of an ONNX model.
 *
 * @param where opens the errors.
 * @param graph what it computes.
 * @throws {RangeError} if the constants take 2 GiB or more.
 */
export async function encodeModel(where: string, graph: Graph): Promise<Uint8Array<ArrayBuffer>> {
  const size = graph.initializers.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  if (size > MAX_MESSAGE_BYTES) {
    throw new RangeError(
      `${where}: the weights take ${size} bytes, and an ONNX file holds at most ${MAX_MESSAGE_BYTES}; quantize ` +
        `the model, or export its parts`,
    );
  }
  const messages = await loadMessages(where);
  const { onnx, protobuf: { create, toBinary } } = messages;
  const valueInfo = ({ name, dims }: ValueInfo) => messages.valueInfo(name, "float32", dims);
  const initializer = graph.initializers.map(({ name, type, dims, bytes }) =>
    create(onnx.TensorProtoSchema, {
      name,
      dataType: onnx.TensorProto_DataType[type],
      dims: dims.map(BigInt),
      rawData: bytes,
    })
  );
  const node = graph.nodes.map(({ name, opType, inputs, output, attributes }) =>
    messages.node({
      name,
      opType,
      input: inputs,
      output: [output],
      attributes: Object.fromEntries(Object.entries(attributes).map(([key, i]) => [key, { i }])),
    })
  );
  const model = create(onnx.ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: "staticquant",
    opsetImport: [messages.opset("", OPSET)],
    graph: create(onnx.GraphProtoSchema, {
      name: graph.name,
      node,
      initializer,
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    }),
  });
  return toBinary(onnx.ModelProtoSchema, model);
}
