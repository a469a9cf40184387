/**
 * Why a quantized model loses what it loses.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";
import { causeOf, type FindingCause } from "../../quantization/tune/causes.ts";
import { weightedNode } from "../calibration/statistics/places.ts";
import { dequantized } from "../improve/simulation.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "../improve/state.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { nodeName } from "../qdq/selection.ts";

/** A node that costs much, and why. */
export interface Finding {
  /** The node's name in the prepared model. */
  readonly node: string;
  /** The activation that it reads. */
  readonly tensor: string;
  /** What makes most of its noise. */
  readonly cause: FindingCause;
  /** SQNR of the model's output with this node alone quantized, in dB. */
  readonly sqnr: number;
  /** SQNR of the node's operand that is to blame, in dB. */
  readonly operand: number;
  /** All that in a sentence. */
  readonly sentence: string;
}

/** Findings at most. */
const MOST = 5;

/** The nodes that cost most in a quantized model, and why; the worst first. */
export async function diagnose(state: ImprovedModel, tools: ImproveTools): Promise<Finding[]> {
  const { calibration } = state;
  const worst = (await tools.ranking(state)).slice(0, MOST);
  const facts = new GraphFacts(calibration.model.graph);
  const byName = new Map(facts.graph.node.map((node) => [nodeName(node), node]));
  const { model, activations } = await quantizedState(state);
  const params = new Map(activations.map((each) => [each.name, each]));
  const constants = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]));
  const made = new Map(model.graph.node.map((node) => [node.output[0], node]));
  const inputs = worst.flatMap(({ node }) => byName.get(node)?.input[0] ?? []);
  const seen = await tools.activations(calibration.model, inputs);
  return worst.flatMap(({ node: name, opType, sqnr }): Finding[] => {
    const node = byName.get(name);
    const layer = node && weightedNode(facts, node);
    const own = node && params.get(node.input[0]);
    const data = node && seen.get(node.input[0]);
    const reader = node && made.get(`${node.input[1]}_dequantized`);
    const rounded = reader && dequantized(reader, constants);
    if (!layer || !own || !data || !rounded) return [];
    const [tensor] = node.input;
    using weight = facts.constant(node.input[1])!;
    const { cause, operand, words } = causeOf(`its input ${tensor}`, data, own, {
      float: weight.data,
      rounded: rounded.data,
    });
    const sentence = `${opType} ${name} alone leaves ${decibels(sqnr)} of the output: ${words}`;
    return [{ node: name, tensor, cause, sqnr, operand, sentence }];
  });
}
