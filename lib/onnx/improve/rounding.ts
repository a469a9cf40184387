/**
 * Rounding weights so that what they are multiplied with changes least.
 *
 * @module
 */
import { covarianceKey, weightedNode } from "../calibration/statistics/places.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { channelAxis } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";
import type { QuantizedConstant } from "../qdq/weights.ts";
import { gptq } from "../../quantization/improve/gptq.ts";
import { trusted } from "../../quantization/improve/trusted_covariance.ts";
import type { Remedy } from "./remedy.ts";
import type { ImprovedModel, ImproveTools } from "./state.ts";
import { weightsMatter } from "./weight_noise.ts";
import { groupRows, weightLayout } from "./weight_matrix.ts";

/** The greatest integer of weights, and the least. */
const MOST = 127;

/** Rounds every weight with a covariance by {@linkcode gptq}. */
async function round(
  { calibration: { model }, options: { nodesToExclude } }: ImprovedModel,
  tools: ImproveTools,
): Promise<Map<string, QuantizedConstant>> {
  const floats = new Set(nodesToExclude);
  const facts = new GraphFacts(model.graph);
  const covariances = await tools.learn(model, "covariance");
  const weights = new Map<string, QuantizedConstant>();
  for (const node of facts.graph.node) {
    const layer = weightedNode(facts, node);
    if (!layer || facts.view.uses(node.input[1]).length > 1 || floats.has(nodeName(node))) continue;
    tools.check();
    using weight = facts.constant(node.input[1])!;
    const layout = weightLayout(layer, weight);
    const covariance = covariances.get(covarianceKey(layer));
    if (!layout || !covariance || covariance.count === 0) continue;
    const { groups, rows, columns, at } = layout;
    const perGroup = rows / groups;
    const integers = new Int8Array(weight.data.length);
    const scale = new Float32Array(rows);
    for (let g = 0; g < groups; g++) {
      const own = groupRows(weight.data, layout, g);
      const matrix = trusted(covariance.matrix(g), own, covariance.count);
      const rounded = gptq(own, matrix, perGroup, { quantMin: -MOST, quantMax: MOST });
      scale.set(rounded.scales, g * perGroup);
      rounded.integers.forEach((q, i) =>
        integers[at(g * perGroup + Math.floor(i / columns), i % columns)] = q
      );
    }
    weights.set(node.input[1], {
      ...{ type: "int8", dims: weight.dims, integers, scale, axis: channelAxis(node) },
      zeroPoint: new Int8Array(rows),
    });
  }
  return weights;
}

/** GPTQ of every weight in 8 bits that has a scale a channel. */
export const roundWeights: Remedy = {
  name: "round",
  purpose: "rounds weights by what they are multiplied with",
  rewrites: false,
  async apply(state, tools, found) {
    const { perChannel = true, weightType = "int8", reduceRange = false } = state.options;
    if (!perChannel || weightType !== "int8" || reduceRange || state.weights.size > 0) {
      return undefined;
    }
    if (found === undefined && !await weightsMatter(state, tools)) return undefined;
    const weights = await round(state, tools);
    if (weights.size === 0) return undefined;
    return {
      state: { ...state, weights },
      found: undefined,
      summary: `${weights.size} weights were rounded by the covariance of their inputs`,
    };
  },
};
