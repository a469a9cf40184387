/**
 * Which nodes a caller wants to have a form.
 *
 * @module
 */
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { nodeName, type NodeSelection } from "../qdq/selection.ts";

/**
 * Why a node is not to have the form, as a function of it; nothing if it is.
 *
 * @param where opens the errors.
 * @param nodes all nodes that there are.
 * @param operators those that can have the form.
 * @throws {OnnxError} if an operator or a name is not known.
 */
export function selected(
  where: string,
  nodes: readonly NodeProto[],
  operators: readonly string[],
  { opTypesToQuantize, nodesToQuantize, nodesToExclude = [] }: NodeSelection,
): (node: NodeProto) => string | undefined {
  const unknown = opTypesToQuantize?.find((opType) => !operators.includes(opType));
  if (unknown !== undefined) {
    throw new OnnxError(
      `${where}: opTypesToQuantize names ${JSON.stringify(unknown)}, and only these have such a ` +
        `form: ${operators.join(", ")}`,
    );
  }
  const names = new Set(nodes.map(nodeName));
  const missing = [...nodesToQuantize ?? [], ...nodesToExclude].find((name) => !names.has(name));
  if (missing !== undefined) {
    throw new OnnxError(
      `${where}: the prepared model has no node ${JSON.stringify(missing)}; its nodes are ${
        [...names].slice(0, 8).join(", ")
      }, …`,
    );
  }
  const [only, excluded] = [nodesToQuantize && new Set(nodesToQuantize), new Set(nodesToExclude)];
  return (node) => {
    if (opTypesToQuantize && !opTypesToQuantize.includes(node.opType)) {
      return "its operator is not to be quantized";
    }
    if (excluded.has(nodeName(node))) return "it is left out by nodesToExclude";
    return only && !only.has(nodeName(node)) ? "nodesToQuantize does not name it" : undefined;
  };
}
