import type { NodeProto } from "../file/proto.ts";
import { intOf } from "../file/attributes.ts";
import { dataTypeName } from "../file/data_type.ts";
import { isOp } from "../graph/operator.ts";
import { type GraphTools, type Pass, withConstant } from "./graph_tools.ts";

/** The input that a node gives on as it is. */
function passedOn(node: NodeProto, tools: GraphTools): string | undefined {
  const { facts, view } = tools;
  const [input] = node.input;
  if (isOp(node, "Identity")) return input;
  if (isOp(node, "Dropout")) {
    const trains = Boolean(node.input[2]) && tools.numbers(node.input[2])?.[0] !== 0;
    const masked = node.output[1] && view.uses(node.output[1]).length > 0;
    return trains || masked ? undefined : input;
  }
  if (isOp(node, "Cast")) {
    const to = dataTypeName(intOf(node, "to", 0));
    return to && to === facts.dtype(input) ? input : undefined;
  }
  if (isOp(node, "Mul", "Div", "Add", "Sub")) {
    const neutral = isOp(node, "Mul", "Div") ? 1 : 0;
    const operands = withConstant(node, (name) => tools.scalar(name));
    if (operands?.constant !== neutral) return undefined;
    if (operands.index === 0 && isOp(node, "Div", "Sub")) return undefined;
    // A constant with more dimensions than the value would give it these.
    const rank = facts.dims(operands.value)?.length;
    const added = facts.dims(node.input[operands.index])!.length;
    return added === 0 || rank !== undefined && rank >= added ? operands.value : undefined;
  }
  return undefined;
}

/** Removes nodes that give on what they get: Identity, Dropout, a Cast to the type it has, times one, plus zero. */
export const removeNoOps: Pass = (tools) => {
  const { editor, view } = tools;
  let found = false;
  for (const node of editor.graph.node) {
    const from = passedOn(node, tools);
    const [output] = node.output;
    if (from === undefined || view.isOutput(output)) continue;
    editor.replaceUses(output, from);
    editor.remove([node]);
    found = true;
  }
  return found;
};
