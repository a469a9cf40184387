/**
 * Why a quantized model loses what it loses.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";
import { rankNodes } from "../accuracy/rank_nodes.ts";
import { weightedNode } from "../calibration/statistics/places.ts";
import { dequantized } from "../improve/simulation.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "../improve/state.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { nodeName } from "../qdq/selection.ts";

/** What makes most of a node's noise. */
export type FindingCause = "clipping" | "rounding" | "weights";

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

/** Ratios of powers in dB. */
const ratio = (signal: number, noise: number) =>
  noise > 0 ? 10 * Math.log10(signal / noise) : Infinity;

/** What rounding a weight leaves of it. */
function weightSqnr(float: Float32Array, rounded: Float32Array): number {
  let [signal, noise] = [0, 0];
  float.forEach((w, i) => [signal, noise] = [signal + w * w, noise + (w - rounded[i]) ** 2]);
  return ratio(signal, noise);
}

/** Sums of squares of an activation: its own, of what is beyond a range, and of rounding within. */
function activationParts(
  data: Float32Array,
  { scale, min, max }: { scale: number; min: number; max: number },
) {
  let [signal, clipped, rounded] = [0, 0, 0];
  for (const x of data) {
    signal += x * x;
    const beyond = x > max ? x - max : x < min ? min - x : 0;
    if (beyond > scale / 2) clipped += beyond ** 2;
    else rounded += (x - Math.round(x / scale) * scale) ** 2;
  }
  return { signal, clipped, rounded };
}

/** The nodes that cost most in a quantized model, and why; the worst first. */
export async function diagnose(state: ImprovedModel, tools: ImproveTools): Promise<Finding[]> {
  const { calibration } = state;
  const { onProgress: _, signal: __, ...options } = state.options;
  const { nodes } = await rankNodes(calibration.model, calibration, {
    ...{ ...options, verify: false, heldOut: tools.few },
  });
  const worst = nodes.slice(0, MOST);
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
    const { signal, clipped, rounded: steps } = activationParts(data, {
      scale: own.scale,
      min: own.min,
      max: own.max,
    });
    const parts: [FindingCause, number, string][] = [
      ["clipping", ratio(signal, clipped), `what lies beyond the range of its input ${tensor}`],
      [
        "rounding",
        ratio(signal, steps),
        `rounding its input ${tensor} to steps of ${own.scale.toPrecision(2)}`,
      ],
      ["weights", weightSqnr(weight.data, rounded.data), `rounding its weight`],
    ];
    const [cause, operand, what] = parts.reduce((a, b) => b[1] < a[1] ? b : a);
    const sentence = `${opType} ${name} alone leaves ${
      decibels(sqnr)
    } of the output: ${what} leaves ${decibels(operand)} of it`;
    return [{ node: name, tensor, cause, sqnr, operand, sentence }];
  });
}
