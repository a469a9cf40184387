/**
 * Making the messages that an ONNX file consists of.
 *
 * @module
 */
import type {
  AttributeProto,
  GraphProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  ValueInfoProto,
} from "./proto.ts";
import { dataTypeCode, type OnnxDataType } from "./data_type.ts";
import { loadPackage, type OnnxBuf, PACKAGES, type Protobuf } from "../../files/packages.ts";
import { type TensorElements, writeTensor } from "./tensor_data.ts";

/** What an attribute holds, in the field that ONNX has for it: an integer, a float, a string, … */
export type AttributeValue =
  | { readonly i: number | bigint }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly t: TensorProto }
  | { readonly g: GraphProto };

/** What a new node is made from. */
export interface NodeParts {
  /** The operator. */
  readonly opType: string;
  /** The values that it reads; an empty name leaves an optional one out. */
  readonly input: readonly string[];
  /** The values that it makes. */
  readonly output: readonly string[];
  /** The node's own name. */
  readonly name?: string;
  /** The operator's domain; ONNX's own by default. */
  readonly domain?: string;
  /** Attributes by name. */
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

const encoder = new TextEncoder();

/** Makes messages; needs the packages, so it comes from {@linkcode loadMessages}. */
export class OnnxMessages {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "OnnxMessages";

  /**
   * The package that reads and writes messages.
   *
   * @ignore
   */
  readonly protobuf: Protobuf;
  /**
   * The package that describes those of ONNX.
   *
   * @ignore
   */
  readonly onnx: OnnxBuf;

  /**
   * The packages are those that {@linkcode loadOnnx} loads.
   *
   * @ignore
   */
  constructor(protobuf: Protobuf, onnx: OnnxBuf) {
    this.protobuf = protobuf;
    this.onnx = onnx;
  }

  /** A node. */
  node({ attributes = {}, input, output, ...parts }: NodeParts): NodeProto {
    const attribute = Object.entries(attributes).map(([name, v]) => this.attribute(name, v));
    return this.protobuf.create(this.onnx.NodeProtoSchema, {
      ...parts,
      input: [...input],
      output: [...output],
      attribute,
    });
  }

  /** An attribute of a node. */
  attribute(name: string, value: AttributeValue): AttributeProto {
    const { AttributeProtoSchema, AttributeProto_AttributeType: kinds } = this.onnx;
    const bytes = (text: string) => encoder.encode(text);
    const make = (type: number, fields: Omit<Partial<AttributeProto>, "$typeName">) =>
      this.protobuf.create(AttributeProtoSchema, { name, type, ...fields });
    if ("i" in value) return make(kinds.INT, { i: BigInt(value.i) });
    if ("f" in value) return make(kinds.FLOAT, { f: value.f });
    if ("s" in value) return make(kinds.STRING, { s: bytes(value.s) });
    if ("ints" in value) return make(kinds.INTS, { ints: value.ints.map(BigInt) });
    if ("floats" in value) return make(kinds.FLOATS, { floats: [...value.floats] });
    if ("strings" in value) return make(kinds.STRINGS, { strings: value.strings.map(bytes) });
    if ("t" in value) return make(kinds.TENSOR, { t: value.t });
    return make(kinds.GRAPH, { g: value.g });
  }

  /**
   * A tensor, such as an initializer.
   *
   * @param data elements as {@linkcode encodeTensor} takes them.
   * @param own whether an array of integers of 8 bits becomes the tensor's own; else elements are copied.
   */
  tensor(
    name: string,
    dtype: OnnxDataType,
    dims: readonly number[],
    data: TensorElements,
    own = false,
  ): TensorProto {
    const tensor = this.protobuf.create(this.onnx.TensorProtoSchema, { name });
    writeTensor(tensor, dtype, dims, data, own);
    return tensor;
  }

  /**
   * The type of a value.
   *
   * @param dims a number, the name of a size that is only known when the model runs, or `undefined` for
   * one of which nothing is known; without `dims` the shape itself is unknown.
   */
  valueInfo(
    name: string,
    dtype: OnnxDataType,
    dims?: readonly (number | string | undefined)[],
  ): ValueInfoProto {
    const { protobuf: { create }, onnx } = this;
    const dim = (size: number | string | undefined) =>
      create(onnx.TensorShapeProto_DimensionSchema, {
        value: size === undefined
          ? { case: undefined }
          : typeof size === "number"
          ? { case: "dimValue", value: BigInt(size) }
          : { case: "dimParam", value: size },
      });
    const value = create(onnx.TypeProto_TensorSchema, {
      elemType: dataTypeCode(dtype),
      shape: dims && create(onnx.TensorShapeProtoSchema, { dim: dims.map(dim) }),
    });
    const type = create(onnx.TypeProtoSchema, { value: { case: "tensorType", value } });
    return create(onnx.ValueInfoProtoSchema, { name, type });
  }

  /** An operator set that a model uses. */
  opset(domain: string, version: number): OperatorSetIdProto {
    return this.protobuf.create(this.onnx.OperatorSetIdProtoSchema, {
      domain,
      version: BigInt(version),
    });
  }
}

/**
 * Loads the packages that know ONNX's messages, if they are not there yet.
 *
 * @param where opens the error.
 * @throws {Error} if a package cannot be loaded; says what to type.
 */
export async function loadMessages(where: string): Promise<OnnxMessages> {
  // In this order, so that both share one copy of the runtime.
  const { protobuf, onnxBuf } = PACKAGES;
  const needed = `${protobuf} ${onnxBuf}`;
  const runtime = await loadPackage<Protobuf>(where, protobuf, needed);
  return new OnnxMessages(runtime, await loadPackage<OnnxBuf>(where, onnxBuf, needed));
}
