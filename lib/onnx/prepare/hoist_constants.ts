import type { NodeProto, TensorProto } from "../file/proto.ts";
import { attributeOf, floatsOf, intsOf } from "../file/attributes.ts";
import type { OnnxMessages } from "../file/messages.ts";
import { isOp } from "../graph/operator.ts";
import type { Pass } from "./graph_tools.ts";

/** What a Constant node holds, in whichever attribute; nothing for strings and sparse tensors. */
function valueOf(node: NodeProto, messages: OnnxMessages): TensorProto | undefined {
  const name = node.output[0];
  const tensor = attributeOf(node, "value")?.t;
  if (tensor) {
    tensor.name = name;
    return tensor;
  }
  const int = attributeOf(node, "value_int");
  if (int) return messages.tensor(name, "int64", [], BigInt64Array.of(int.i));
  const float = attributeOf(node, "value_float");
  if (float) return messages.tensor(name, "float32", [], Float32Array.of(float.f));
  const ints = intsOf(node, "value_ints");
  if (ints) return messages.tensor(name, "int64", [ints.length], BigInt64Array.from(ints, BigInt));
  const floats = floatsOf(node, "value_floats");
  return floats && messages.tensor(name, "float32", [floats.length], Float32Array.from(floats));
}

/**
 * Makes initializers of Constant nodes, and plain constants of initializers that are listed as inputs. Callers
 * can no longer replace these; a quantized weight could not be replaced either.
 */
export const hoistConstants: Pass = ({ editor, view }) => {
  const { graph, messages } = editor;
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  let changed = inputs.length < graph.input.length;
  graph.input = inputs;
  for (const node of graph.node) {
    if (!isOp(node, "Constant") || view.isOutput(node.output[0])) continue;
    const tensor = valueOf(node, messages);
    if (!tensor) continue;
    graph.initializer.push(tensor);
    editor.remove([node]);
    changed = true;
  }
  return changed;
};
