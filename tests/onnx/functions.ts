/** Models with functions of their own. */
import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProto_AttributeType as kinds,
  AttributeProtoSchema,
  type FunctionProto,
  FunctionProtoSchema,
  type NodeProto,
} from "onnx-buf";
import { messages } from "./files.ts";

/** A function of the domain `own`. */
export function functionProto(
  name: string,
  input: readonly string[],
  output: readonly string[],
  node: readonly NodeProto[],
  parts: Partial<Omit<FunctionProto, "$typeName">> & { opset?: number } = {},
): FunctionProto {
  const { opset = 17, ...fields } = parts;
  return create(FunctionProtoSchema, {
    ...{ domain: "own", name, input: [...input], output: [...output], node: [...node] },
    opsetImport: [messages.opset("", opset), messages.opset("own", 1)],
    ...fields,
  });
}

/** An attribute that a node of a function takes from the node that calls it. */
export function reference(
  name: string,
  refAttrName: string,
  type: keyof typeof kinds,
): AttributeProto {
  return create(AttributeProtoSchema, { name, refAttrName, type: kinds[type] });
}
