/**
 * How much of what a quantized model is off by its weights make.
 *
 * @module
 */
import { Runs } from "../../quantization/analysis/inputs.ts";
import { OutputJudge } from "../accuracy/output_judge.ts";
import { weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { dequantized } from "./simulation.ts";
import { comparableState, type ImprovedModel, type ImproveTools } from "./state.ts";

/** If weights make less than this share of the noise, rounding them otherwise gains less than 0.4 dB. */
const LEAST_SHARE = 0.08;

/** What was found out before. */
const known = new WeakMap<ImprovedModel, Promise<boolean>>();

/** The float model with the weights of a quantized one, all that layers compute being floats. */
function withWeightsOf(quantized: OnnxModel, float: OnnxModel): OnnxModel {
  const constants = new Map(quantized.graph.initializer.map((tensor) => [tensor.name, tensor]));
  const made = new Map(quantized.graph.node.map((node) => [node.output[0], node]));
  const copy = float.clone();
  const facts = new GraphFacts(copy.graph);
  const editor = new GraphEditor(copy.graph, copy.messages);
  for (const node of copy.graph.node) {
    const reader = weightedNode(facts, node) && made.get(`${node.input[1]}_dequantized`);
    const rounded = reader && dequantized(reader, constants);
    if (rounded) editor.replaceConstant(node, 1, "float32", rounded.dims, rounded.data);
  }
  editor.apply();
  return copy;
}

async function measured(state: ImprovedModel, tools: ImproveTools): Promise<boolean> {
  const { calibration: { model } } = state;
  await using judge = await OutputJudge.open("tuneOnnx", model, tools.forRows, new Runs({}));
  const noiseOf = async (own: OnnxModel) => 10 ** (-await judge.sqnr(own, "weights") / 10);
  const quantized = (await comparableState(state)).model;
  const all = await noiseOf(quantized);
  tools.check();
  return await noiseOf(withWeightsOf(quantized, model)) >= LEAST_SHARE * all;
}

/** Where time is limited, whether weights make enough of what a model is off by for rounding them otherwise to be worth it. */
export function weightsMatter(state: ImprovedModel, tools: ImproveTools): Promise<boolean> {
  if (tools.seconds === Infinity) return Promise.resolve(true);
  const own = known.get(state) ?? measured(state, tools);
  known.set(state, own);
  return own;
}
