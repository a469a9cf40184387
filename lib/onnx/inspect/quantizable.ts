/**
 * What can be quantized in a model.
 *
 * @module
 */
import type { GraphProto } from "onnx-buf";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { placeQuantization } from "../qdq/placement.ts";
import { checkSelection } from "../qdq/selection.ts";

/** The nodes of an operator, as they are once the model is prepared for quantizing. */
export interface Quantizable {
  /** How many there are. */
  readonly nodes: number;
  /** How many of them are quantized if nothing else is asked for. */
  readonly quantizable: number;
  /** Why the others are not, each reason once. */
  readonly reasons: readonly string[];
}

/** What was found out. */
export interface QuantizableNodes {
  /** By domain and operator, with a colon between. */
  readonly operators: ReadonlyMap<string, Quantizable>;
  /** Whether this is about the model as `quantize` prepares it, or about the file as it is. */
  readonly prepared: boolean;
  /** Why nothing can be told. */
  readonly problem?: string;
}

/**
 * Which nodes of a float model can be quantized. Constants are folded by onnxruntime; where native code may
 * not be loaded, the model is taken as it is.
 */
export async function quantizableNodes(model: OnnxModel): Promise<QuantizableNodes> {
  const { state } = await Deno.permissions.query({ name: "ffi" });
  const prepared = state === "granted" || state as string === "granted-partial";
  try {
    const { graph } = prepared ? await prepareOnnx(model) : model;
    return { operators: countOperators(graph), prepared };
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
    return { operators: new Map(), prepared: false, problem: error.message };
  }
}

function countOperators(graph: GraphProto): Map<string, Quantizable> {
  const facts = new GraphFacts(graph);
  const { decisions } = placeQuantization(facts, checkSelection("inspect", facts, {}));
  const operators = new Map<string, { nodes: number; quantizable: number; reasons: Set<string> }>();
  for (const node of graph.node) {
    if (node.opType === "Constant") continue;
    const key = `${node.domain}:${node.opType}`;
    const entry = operators.get(key) ?? { nodes: 0, quantizable: 0, reasons: new Set() };
    operators.set(key, entry);
    const { quantized, reason } = decisions.get(node) ??
      { quantized: false, reason: "no integer form" };
    entry.nodes++;
    if (quantized) entry.quantizable++;
    else if (reason) entry.reasons.add(reason);
  }
  return new Map(
    [...operators].map(([key, entry]) => [key, { ...entry, reasons: [...entry.reasons] }]),
  );
}
