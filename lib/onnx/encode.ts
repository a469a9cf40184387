/**
 * Writing a graph as an ONNX file.
 *
 * @module
 */
import type { Graph, ValueInfo } from "./graph.ts";
import { loadPackage, type OnnxBuf, PACKAGES, type Protobuf } from "./packages.ts";

/** The operator set: the first with 4-bit integers and scales a block. */
const OPSET = 21n;
/** The version of the file format that came with it. */
const IR_VERSION = 10n;
/** What one protobuf message can hold. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The bytes of an ONNX model.
 *
 * @param where opens the errors.
 * @param graph what it computes.
 * @throws {RangeError} if the constants take 2 GiB or more.
 */
export async function encodeModel(where: string, graph: Graph): Promise<Uint8Array<ArrayBuffer>> {
  const size = graph.initializers.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  if (size > MAX_BYTES) {
    throw new RangeError(
      `${where}: the weights take ${size} bytes, and an ONNX file holds at most ${MAX_BYTES}; quantize ` +
        `the model, or export its parts`,
    );
  }
  // In this order, so that both share one copy of the runtime.
  const { protobuf, onnxBuf } = PACKAGES;
  const needed = `${protobuf} ${onnxBuf}`;
  const { create, toBinary } = await loadPackage<Protobuf>(where, protobuf, needed);
  const onnx = await loadPackage<OnnxBuf>(where, onnxBuf, needed);
  const { TensorProto_DataType: types } = onnx;

  const valueInfo = ({ name, dims }: ValueInfo) => {
    const dim = dims.map((size) =>
      create(onnx.TensorShapeProto_DimensionSchema, {
        value: typeof size === "number"
          ? { case: "dimValue", value: BigInt(size) }
          : { case: "dimParam", value: size },
      })
    );
    const shape = create(onnx.TensorShapeProtoSchema, { dim });
    const value = create(onnx.TypeProto_TensorSchema, { elemType: types.FLOAT, shape });
    const type = create(onnx.TypeProtoSchema, { value: { case: "tensorType", value } });
    return create(onnx.ValueInfoProtoSchema, { name, type });
  };
  const initializer = graph.initializers.map(({ name, type, dims, bytes }) =>
    create(onnx.TensorProtoSchema, {
      name,
      dataType: types[type],
      dims: dims.map(BigInt),
      rawData: bytes,
    })
  );
  const node = graph.nodes.map(({ name, opType, inputs, output, attributes }) =>
    create(onnx.NodeProtoSchema, {
      name,
      opType,
      input: [...inputs],
      output: [output],
      attribute: Object.entries(attributes).map(([name, i]) =>
        create(onnx.AttributeProtoSchema, {
          name,
          type: onnx.AttributeProto_AttributeType.INT,
          i: BigInt(i),
        })
      ),
    })
  );
  const model = create(onnx.ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: "staticquant",
    opsetImport: [create(onnx.OperatorSetIdProtoSchema, { domain: "", version: OPSET })],
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
