/**
 * Operator sets before 7, which brought broadcasting as it is today.
 *
 * @module
 */
import { attributeOf, intOf, setAttribute } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";
import { isOp } from "../graph/operator.ts";
import { OLDEST_OPSET } from "../upgrade/rules.ts";

/** Operators that meant something else before these versions, whatever attributes they had. */
const CHANGED: Readonly<Record<number, string>> = {
  2: "GlobalLpPool LpPool Pad Split",
  3: "GRU",
  4: "Concat",
  5: "Reshape",
  6: "Cast Tile",
  7: "GRU LSTM RNN Upsample",
};

/** What keeps a node of an older operator set from being one of 7; nothing if nothing does. */
function problemOf(node: NodeProto, opset: number): string | undefined {
  const version = Object.keys(CHANGED).map(Number).find((version) =>
    version > opset && CHANGED[version].split(" ").includes(node.opType)
  );
  if (version) return `was another operator before operator set ${version}`;
  if (intOf(node, "broadcast", 0) && attributeOf(node, "axis")) {
    return "broadcasts along an axis, which only operator sets before 7 do";
  }
  if (!intOf(node, "is_test", 1)) return "trains (is_test = 0)";
  return undefined;
}

/**
 * Brings a model of an operator set before 7 to 7, as far as its operators mean the same there.
 *
 * @param where opens the error.
 * @param model is changed.
 * @throws {OnnxError} if they do not; names the node.
 */
export function bringTo7(where: string, model: OnnxModel): void {
  const opset = model.opset();
  if (opset >= OLDEST_OPSET) return;
  const { messages } = model;
  for (const node of [...walkGraphs(model.graph)].flatMap((graph) => graph.node)) {
    if (!isOp(node)) continue;
    const problem = problemOf(node, opset);
    if (problem) {
      throw new OnnxError(
        `${where}: ${
          describeNode(node)
        } of operator set ${opset} ${problem}; export the model anew with ` +
          `operator set 13 or later`,
      );
    }
    for (const name of ["broadcast", "consumed_inputs", "is_test"]) {
      setAttribute(messages, node, name, undefined);
    }
  }
  model.setOpset(OLDEST_OPSET);
}
