/**
 * Which nodes a caller wants to be quantized.
 *
 * @module
 */
import { given as describe } from "../../numbers/arguments.ts";
import type { NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { NEWEST_OPSET, operatorProblem } from "../upgrade/operators.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { DEFAULT_OPERATORS, isComputing, QUANTIZABLE_OPERATORS } from "./operators.ts";
import { notWorthBytes } from "./worth_bytes.ts";

/** Which nodes are quantized. */
export interface NodeSelection {
  /**
   * Operators, such as `["Conv", "MatMul"]`, wherever they stand; by default all that gain by it where they do. Those
   * that onnxruntime has no integer kernel for, such as Sub, compute with floats either way.
   */
  opTypesToQuantize?: readonly string[];
  /** Names of nodes, whether they gain by it or not; by default all of those operators. */
  nodesToQuantize?: readonly string[];
  /** Names of nodes to leave as they are; none by default. */
  nodesToExclude?: readonly string[];
}

/**
 * What is to be gained by quantizing: a model that is fast where it is made, small, or near to the float one.
 */
export type OptimizeFor = "latency" | "size" | "accuracy";

/** What it may be. */
export const OPTIMIZE_FOR: readonly OptimizeFor[] = ["latency", "size", "accuracy"];

/** What is in bytes where a model is to stay near to the float one: what has weights, and what does nothing to bytes. */
export const ACCURATE_OPERATORS: readonly string[] = DEFAULT_OPERATORS.filter((opType) =>
  !isComputing(opType)
);

/** The name by which a node is told: its own, or if it has none that of its first output. */
export function nodeName({ name, output }: NodeProto): string {
  return name || output[0];
}

/**
 * Why a node is not to be quantized, as a function of it; nothing if it is.
 *
 * @param where opens the errors.
 * @param operators that are quantized, where they gain by it, if the selection names none.
 * @throws {OnnxError} if an operator or a name is not known.
 */
export function checkSelection(
  where: string,
  facts: GraphFacts,
  selection: NodeSelection,
  operators: readonly string[] = DEFAULT_OPERATORS,
): (node: NodeProto) => string | undefined {
  const { opTypesToQuantize: given, nodesToQuantize, nodesToExclude = [] } = selection;
  for (
    const [name, list] of Object.entries({
      opTypesToQuantize: given,
      nodesToQuantize,
      nodesToExclude,
    })
  ) {
    if (list === undefined || Array.isArray(list)) continue;
    throw new TypeError(`${where}: ${name} must be a list of names, got ${describe(list)}`);
  }
  const opTypesToQuantize = given ?? operators;
  const unknown = opTypesToQuantize.find((opType) => operatorProblem(opType, NEWEST_OPSET));
  if (unknown !== undefined) {
    throw new OnnxError(
      `${where}: opTypesToQuantize names ${
        JSON.stringify(unknown)
      }, which is no operator of ONNX; those ` +
        `that can be quantized are ${QUANTIZABLE_OPERATORS.join(", ")}`,
    );
  }
  const nodes = [...walkGraphs(facts.graph)].flatMap(({ node }) => node);
  const names = new Set(nodes.map(nodeName));
  const missing = [...nodesToQuantize ?? [], ...nodesToExclude].find((name) => !names.has(name));
  if (missing !== undefined) {
    throw new OnnxError(
      `${where}: the prepared model has no node ${JSON.stringify(missing)}; its nodes are ${
        [...names].slice(0, 8).join(", ")
      }, …`,
    );
  }
  const [ops, only, excluded] = [opTypesToQuantize, nodesToQuantize, nodesToExclude].map((list) =>
    list && new Set(list)
  );
  const unprofitable = given ? new Map<NodeProto, string>() : notWorthBytes(facts);
  return (node) => {
    if (!ops!.has(node.opType)) return "its operator is not to be quantized";
    if (excluded!.has(nodeName(node))) return "it is left out by nodesToExclude";
    if (only) return only.has(nodeName(node)) ? undefined : "nodesToQuantize does not name it";
    return unprofitable.get(node);
  };
}
