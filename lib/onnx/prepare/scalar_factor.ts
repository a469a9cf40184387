import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import { type GraphTools, withConstant } from "./graph_tools.ts";

/** A value and the number that it is multiplied with. */
export interface ScalarFactor {
  readonly value: string;
  readonly factor: number;
}

/** What a product or quotient with one number consists of. */
export function scalarFactor(
  tools: GraphTools,
  node: NodeProto | undefined,
): ScalarFactor | undefined {
  if (!node || !isOp(node, "Mul", "Div")) return undefined;
  const operands = withConstant(node, (name) => tools.scalar(name));
  if (!operands || isOp(node, "Div") && operands.index === 0) return undefined;
  // A constant with more dimensions than the value would give it these.
  const { facts } = tools;
  const rank = facts.dims(operands.value)?.length;
  if (rank === undefined || rank !== facts.dims(node.output[0])?.length) return undefined;
  const factor = isOp(node, "Div") ? 1 / operands.constant : operands.constant;
  return Number.isFinite(factor) && factor !== 0 ? { value: operands.value, factor } : undefined;
}
