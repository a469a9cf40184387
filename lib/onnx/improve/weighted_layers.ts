/**
 * The layers of a model in the order in which what one is off by reaches another.
 *
 * @module
 */
import type { WeightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphFacts } from "../qdq/graph_facts.ts";

/** The constant that is added to each channel that a layer makes: an input of itself, or of the sum behind it. */
export function biasOf(
  facts: GraphFacts,
  { node, makes }: WeightedNode,
): [owner: NodeProto, index: number] | undefined {
  const isVector = (name: string | undefined) => {
    const dims = name ? facts.constantDims(name) : undefined;
    return dims?.at(-1) === makes.count &&
      dims.every((size, i) => i === dims.length - 1 || size === 1);
  };
  if (node.opType !== "MatMul") return isVector(node.input[2]) ? [node, 2] : undefined;
  const sum = facts.view.onlyReader(node.output[0]);
  if (!sum || !isOp(sum, "Add")) return undefined;
  const index = sum.input.findIndex(isVector);
  return index >= 0 ? [sum, index] : undefined;
}

/** Layers in groups of which none depends on another, each after those that it depends on. */
export function inRounds<Layer extends { readonly layer: WeightedNode }>(
  { graph }: OnnxModel,
  layers: readonly Layer[],
): Layer[][] {
  const own = new Map(layers.map((each) => [each.layer.node.name, each]));
  const depths = new Map<string, number>();
  const groups: Layer[][] = [];
  for (const { name, input, output } of graph.node) {
    const depth = input.reduce((most, value) => Math.max(most, depths.get(value) ?? 0), 0);
    const known = own.get(name);
    if (known) (groups[depth] ??= []).push(known);
    for (const value of output) depths.set(value, depth + (known ? 1 : 0));
  }
  return groups;
}
