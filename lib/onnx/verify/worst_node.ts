/**
 * Finding the node of a quantized model at which most is lost.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { GraphView } from "../graph/graph_view.ts";
import { type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";
import {
  comparedNumbers,
  comparedValues,
  withoutFilling,
  withOutputs,
} from "./compared_tensors.ts";

/** A node, and the SQNR of what it makes, in dB. */
export interface WorstNode {
  readonly node: NodeProto;
  readonly sqnr: number;
}

/** What is no loss, in dB: integers of 8 bits hardly give more. */
const EXACT = 35;

/**
 * The node of the float model at which the SQNR falls most on one sample, from that of the values it reads to
 * that of the value it makes.
 *
 * @param where opens the errors.
 */
export async function worstNode(
  where: string,
  float: OnnxModel,
  quantized: OnnxModel,
  sample: OnnxFeeds,
): Promise<WorstNode | undefined> {
  const values = comparedValues(float, quantized);
  const floats = values.map(({ name }) => ({ name, dtype: "float32" as const }));
  const others = values.map(({ fetch, dtype }) => ({ name: fetch, dtype }));
  const fetch = async (model: OnnxModel, names: readonly string[]) => {
    await using runtime = await OnnxRuntime.open(where, model);
    return await runtime.run(sample, [...new Set(names)]);
  };
  const x = await fetch(withOutputs(float, floats), floats.map(({ name }) => name));
  const y = await fetch(withOutputs(quantized, others), others.map(({ name }) => name));
  const ratios = new Map(values.map((value) => {
    const noise = new Noise();
    const { data, dims } = x[value.name];
    const own = withoutFilling(y[value.fetch], dims);
    noise.add(data as Float32Array, comparedNumbers(value, own));
    return [value.name, noise.sqnr];
  }));
  return deepestFall(float, ratios);
}

/** The node whose output has so much less than its inputs; `ratios` knows some of the values. */
function deepestFall(
  { graph }: OnnxModel,
  ratios: ReadonlyMap<string, number>,
): WorstNode | undefined {
  const view = new GraphView(graph);
  const known = new Map(ratios);
  let worst: WorstNode | undefined;
  let deepest = 0;
  for (const node of graph.node) {
    const before = Math.min(EXACT, ...node.input.map((name) => known.get(name) ?? EXACT));
    for (const name of node.output) {
      const sqnr = ratios.get(name);
      if (sqnr === undefined) known.set(name, before);
      else if (before - sqnr > deepest) {
        deepest = before - sqnr;
        // What only a Relu or Clip reads is compared behind that.
        const [input] = node.input;
        const maker = ratios.has(input) ? undefined : view.producer(input);
        worst = { node: maker ?? node, sqnr };
      }
    }
  }
  return worst;
}
