/**
 * What can be quantized in a model.
 *
 * @module
 */
import { mayLoadNativeCode } from "../../files/permissions.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { placeQuantization } from "../qdq/placement.ts";
import { checkSelection } from "../qdq/selection.ts";
import { operatorKey } from "./model_summary.ts";

/** The nodes of an operator, as they are once the model is prepared for quantizing. */
export interface Quantizable {
  /** One of them. */
  readonly node: NodeProto;
  /** How many there are. */
  readonly nodes: number;
  /** How many of them are quantized if nothing else is asked for. */
  readonly quantizable: number;
  /** Why the others are not, each reason once. */
  readonly reasons: readonly string[];
}

/** What was found out. */
export interface QuantizableNodes {
  /** By {@linkcode operatorKey}. */
  readonly operators: ReadonlyMap<string, Quantizable>;
  /** Whether this is about the model as `quantizeStatic` prepares it, or about the file as it is. */
  readonly prepared: boolean;
  /** Why nothing can be told. */
  readonly problem?: string;
}

/**
 * Which nodes of a float model can be quantized. Constants are folded by onnxruntime; where native code may
 * not be loaded, the model is taken as it is.
 *
 * @param where opens the errors.
 */
export async function quantizableNodes(where: string, model: OnnxModel): Promise<QuantizableNodes> {
  const prepared = mayLoadNativeCode();
  try {
    const { graph } = prepared ? await prepareOnnx(model) : model;
    return { operators: countOperators(where, graph), prepared };
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
    return { operators: new Map(), prepared: false, problem: error.message };
  }
}

function countOperators(where: string, graph: GraphProto): Map<string, Quantizable> {
  const facts = new GraphFacts(graph);
  const { decisions } = placeQuantization(facts, checkSelection(where, facts, {}));
  const operators = new Map<
    string,
    { node: NodeProto; nodes: number; quantizable: number; reasons: Set<string> }
  >();
  for (const inner of walkGraphs(graph)) {
    const otherwise = inner === graph ? "no integer form" : "in a graph inside of a node";
    for (const node of inner.node) {
      if (node.opType === "Constant") continue;
      const key = operatorKey(node);
      const entry = operators.get(key) ?? { node, nodes: 0, quantizable: 0, reasons: new Set() };
      operators.set(key, entry);
      const { quantized, reason } = decisions.get(node) ??
        { quantized: false, reason: otherwise };
      entry.nodes++;
      if (quantized) entry.quantizable++;
      else if (reason) entry.reasons.add(reason);
    }
  }
  return new Map(
    [...operators].map(([key, entry]) => [key, { ...entry, reasons: [...entry.reasons] }]),
  );
}
