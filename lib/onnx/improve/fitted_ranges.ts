/**
 * Ranges that suit the layers that read them.
 *
 * @module
 */
import type { TensorOverride } from "../qdq/activation_params.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { weightedNode } from "../calibration/statistics/places.ts";
import type { GraphView } from "../graph/graph_view.ts";
import { areEnds } from "../../quantization/improve/found_values.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { rangesByReaders } from "./reader_ranges.ts";
import type { Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** Whether layers with weights are all that reads a value. */
function feedsLayers(facts: GraphFacts, view: GraphView, value: string): boolean {
  const uses = view.uses(value);
  return uses.length > 0 &&
    uses.every((use) =>
      use.kind === "input" && use.index === 0 && weightedNode(facts, use.node) !== undefined
    );
}

/** Ranges for the activations that become bytes for layers alone. */
async function search(
  { calibration: { model }, ...state }: ImprovedModel & { activations: readonly string[] },
  tools: ImproveTools,
): Promise<Record<string, TensorOverride>> {
  const facts = new GraphFacts(model.graph);
  const { tensorOverrides = {}, activationSymmetric = false } = state.options;
  const values = state.activations.filter((name) =>
    !Object.hasOwn(tensorOverrides, name) && feedsLayers(facts, facts.view, name)
  );
  return Object.fromEntries(await rangesByReaders(model, tools, values, activationSymmetric));
}

/** Ranges from a recipe. */
function checked(found: unknown): Record<string, TensorOverride> {
  const fits = typeof found === "object" && found !== null && Object.values(found).every(areEnds);
  if (!fits) throw new OnnxError("the recipe has something else than ranges");
  return found as Record<string, TensorOverride>;
}

/**
 * Each range that only layers with weights read is chosen by what rounding and cutting off change in their outputs, each
 * channel by the squares that it is multiplied with.
 */
export const fitRanges: Remedy = {
  name: "fit",
  purpose: "chooses each range by what rounding costs the layers that read it",
  rewrites: false,
  async apply(state, tools, found) {
    const activations = (await quantizedState(state)).activations.map(({ name }) => name);
    const own = found === undefined
      ? await search({ ...state, activations }, tools)
      : checked(found);
    const count = Object.keys(own).length;
    if (count === 0) return undefined;
    const tensorOverrides = { ...state.options.tensorOverrides, ...own };
    return {
      state: { ...state, options: { ...state.options, tensorOverrides } },
      found: own,
      summary: `${count} ranges were chosen by what they cost the layers that read them`,
    };
  },
};
