/**
 * Asking onnxruntime for what it knows of the values in a model.
 *
 * @module
 */
import { joinParts } from "../../files/file_bytes.ts";
import { dataTypeName, dataTypeNamed } from "../file/data_type.ts";
import { encodeModel } from "../file/message_parts.ts";
import type { OnnxModel } from "../file/model.ts";
import type { TensorProto, ValueInfoProto } from "../file/proto.ts";
import { tensorByteSize, tensorDims } from "../file/tensor_data.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { loadOrt } from "./load_ort.ts";
import { type OrtValueMetadata, sessionOptions } from "./ort.ts";

/** Constants up to this size are kept, since shapes may depend on them. */
const KEPT_BYTES = 4096;

/**
 * Writes into a model's graph which types the values have that nodes make and of which neither the file nor ONNX's
 * operators tell: those behind operators of other domains, recurrent layers, branches. onnxruntime tells,
 * with their shapes as far as it knows them. What is not known to it either stays open, as does everything
 * if it does not take the model, such as for an operator of the user's own.
 *
 * The weights are kept from it, so that it takes little time and memory whatever their size.
 *
 * @param where opens the error.
 * @param model gets the types.
 */
export async function learnValueTypes(where: string, model: OnnxModel): Promise<void> {
  const { graph } = model;
  const facts = new ShapeFacts(graph);
  const made = graph.node.flatMap(({ output }) => output);
  const open = new Set(made.filter((name) => name !== "" && !facts.dtype(name)));
  if (open.size === 0) return;
  const stated = new Map(graph.output.map((info) => [info.name, info]));
  for (const { name, type, shape } of await askOutputs(where, model, open)) {
    const dtype = dataTypeNamed(type ?? "");
    if (!dtype || !open.has(name)) continue;
    // No sizes mean a scalar, or that nothing is known.
    const dims = shape?.length ? shape.map(sizeOf) : undefined;
    const info = model.messages.valueInfo(name, dtype, dims);
    const output = stated.get(name);
    if (output) output.type = info.type;
    else graph.valueInfo.push(info);
  }
}

function sizeOf(size: number | string): number | string | undefined {
  return typeof size === "number" && size < 0 ? undefined : size || undefined;
}

/** What onnxruntime says of a model's outputs, among them some values more; nothing if it cannot be asked. */
async function askOutputs(
  where: string,
  model: OnnxModel,
  values: ReadonlySet<string>,
): Promise<readonly OrtValueMetadata[]> {
  const { messages: { onnx, protobuf } } = model;
  const { proto, graph } = withoutWeights(model);
  const given = new Set(graph.output.map(({ name }) => name));
  const asked = [...values].filter((name) => !given.has(name));
  // A name alone asks for the type.
  graph.output.push(...asked.map((name) => protobuf.create(onnx.ValueInfoProtoSchema, { name })));
  try {
    const { InferenceSession } = await loadOrt(where);
    const bytes = joinParts(encodeModel(model.messages, proto));
    const options = sessionOptions(false, { optimization: "disabled", threads: 1 });
    const session = await InferenceSession.create(bytes, options);
    try {
      return session.outputMetadata;
    } finally {
      await session.release();
    }
  } catch {
    return []; // What keeps it from running the model is said when it is to run it.
  }
}

/** A copy of a model in which large constants are inputs. */
function withoutWeights(model: OnnxModel): OnnxModel {
  const copy = model.clone();
  const { graph, messages } = copy;
  const listed = new Set(graph.input.map(({ name }) => name));
  const large = new Set(graph.initializer.filter((tensor) => tensorByteSize(tensor) > KEPT_BYTES));
  graph.initializer = graph.initializer.filter((tensor) => !large.has(tensor));
  const inputs = [...large].filter(({ name }) => !listed.has(name));
  graph.input.push(...inputs.map((tensor) => asInput(tensor, messages)));
  return copy;
}

function asInput(tensor: TensorProto, messages: OnnxModel["messages"]): ValueInfoProto {
  return messages.valueInfo(tensor.name, dataTypeName(tensor.dataType)!, tensorDims(tensor));
}
