/**
 * Variants of one calibrated model, in which some nodes are quantized and some are not.
 *
 * @module
 */
import { type AnalysisOptions, Runs } from "../../quantization/analysis/inputs.ts";
import {
  calibrateOnnx,
  OnnxCalibration,
  type OnnxSamples,
  type OnnxSource,
} from "../calibration/calibrate.ts";
import type { OnnxModel } from "../file/model.ts";
import { NodeSwitches } from "./node_switches.ts";
import { noiseShares } from "./noise_shares.ts";
import { OutputJudge, type RepeatedSamples } from "./output_judge.ts";
import { looksUpInTable } from "../qdq/embeddings.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { roleOf } from "../qdq/operators.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import type { NodeProto } from "../file/proto.ts";
import { nodeName } from "../qdq/selection.ts";
import type { VerifiedGraph } from "../verify/verify.ts";
import {
  quantizeCalibrated,
  type QuantizedNode,
  type QuantizeStaticOptions,
} from "../quantize_static.ts";

/** Options of whatever tries variants: how to quantize, which samples to judge on, progress, a signal to stop. */
export interface VariantOptions
  extends Omit<QuantizeStaticOptions, "onProgress" | "signal">, AnalysisOptions {
  /**
   * Samples that were not calibrated on, to judge by. They are gone through once for each variant: give a list, or
   * a function that opens them anew; of any other iterable a list is made.
   */
  heldOut: RepeatedSamples;
}

/** How a node fares. */
export interface NodeSensitivity {
  /** The node's name in the prepared model. */
  readonly node: string;
  /** Its operator. */
  readonly opType: string;
  /** SQNR of the output with this node alone quantized, in dB. */
  readonly sqnr: number;
  /** Whether that was not measured but is the node's share of what a group of nodes costs; see `rankNodes`. */
  readonly estimated: boolean;
}

/** Measurements of a ranking at most; as many nodes are measured one by one. */
const MOST_MEASURED = 128;

/** Makes variants and judges them. */
export class Variants implements AsyncDisposable {
  /** Nodes that onnxruntime does not run right, and why. */
  private left: ReadonlyMap<string, string> = new Map();

  private constructor(
    private readonly where: string,
    readonly calibration: OnnxCalibration,
    private readonly options: QuantizeStaticOptions,
    private readonly judge: OutputJudge,
    private readonly runs: Runs,
  ) {}

  /**
   * Calibrates the model, unless that was done.
   *
   * @param where opens the errors.
   * @param model what is calibrated; of no account if `data` is a calibration.
   * @param data samples to calibrate on, or a calibration.
   */
  static async open(
    where: string,
    model: OnnxSource,
    data: OnnxSamples | OnnxCalibration,
    { heldOut, onProgress, signal, ...options }: VariantOptions,
  ): Promise<Variants> {
    const runs = new Runs({ onProgress, signal });
    const calibration = data instanceof OnnxCalibration ? data : await calibrateOnnx(model, data, {
      ...options,
      signal,
      onProgress: ({ samples, total }) =>
        onProgress?.({ step: "calibrating", done: samples, total }),
    });
    const judge = await OutputJudge.open(where, calibration.model, heldOut, runs);
    const variants = new Variants(where, calibration, options, judge, runs);
    // No variant is to have what onnxruntime does not run.
    if (options.verify ?? true) await variants.verified();
    return variants;
  }

  /** One variant; it is not looked at. */
  async quantize(options: QuantizeStaticOptions = {}): Promise<VerifiedGraph> {
    return await this.make({ ...this.options, ...options, verify: false });
  }

  /**
   * One variant, looked at as `quantizeStatic` does unless the options say otherwise. The nodes that onnxruntime does
   * not run right are float in all variants after it.
   */
  async verified(options: QuantizeStaticOptions = {}): Promise<VerifiedGraph> {
    const graph = await this.make({ ...this.options, ...options });
    this.left = graph.left;
    return graph;
  }

  private async make(options: QuantizeStaticOptions): Promise<VerifiedGraph> {
    this.runs.check();
    return await quantizeCalibrated(this.calibration, options, this.left);
  }

  /** SQNR of a variant's output, in dB. */
  async sqnr(model: OnnxModel, step: string): Promise<number> {
    return await this.judge.sqnr(model, step);
  }

  /** The options, so that these nodes are left out beside those that they leave out anyway. */
  without(
    nodes: Iterable<string>,
    options: QuantizeStaticOptions = {},
  ): QuantizeStaticOptions {
    return { ...options, nodesToExclude: [...this.options.nodesToExclude ?? [], ...nodes] };
  }

  /**
   * Finds what each node costs alone: those with a weight, a table or a product of activations. The nodes between
   * them, such as sums, are quantized only beside such nodes, and follow them. All are judged in one session, in which they are
   * switched on one by one, or if they are very many in groups.
   *
   * @param among those to try.
   * @param options how, beside what was said at the start.
   * @returns the most sensitive first; nodes alike stay in the graph's order.
   */
  async rank(
    among: readonly QuantizedNode[],
    options: QuantizeStaticOptions = {},
  ): Promise<NodeSensitivity[]> {
    const { graph } = this.calibration.model;
    const weighs = (nodes: readonly NodeProto[]) => {
      const names = nodes.filter((node) => ["multiplies", "stores"].includes(roleOf(node) ?? ""))
        .map(nodeName);
      const weighing = new Set(names);
      return among.filter(({ name, quantized }) => quantized && weighing.has(name));
    };
    const all = [...walkGraphs(graph)].flatMap(({ node }) => node);
    const ranked = [
      ...await this.rankSwitched(weighs(graph.node), options),
      ...await this.rankInner(weighs(all.slice(graph.node.length)), options),
      ...await this.rankLookups(among, options),
    ];
    const order = new Map(among.map(({ name }, i) => [name, i]));
    return ranked.sort((a, b) =>
      a.sqnr === b.sqnr ? order.get(a.node)! - order.get(b.node)! : a.sqnr - b.sqnr
    );
  }

  /** What nodes cost that look up in tables of bytes: those of one table together, each in a model of its own. */
  private async rankLookups(
    among: readonly QuantizedNode[],
    options: QuantizeStaticOptions,
  ): Promise<NodeSensitivity[]> {
    const facts = new GraphFacts(this.calibration.model.graph);
    const nodes = new Map(facts.graph.node.map((node) => [nodeName(node), node]));
    const lookups = among.filter(({ name, quantized }) => {
      const node = nodes.get(name);
      return quantized && node && looksUpInTable(node, facts);
    });
    const tables = Map.groupBy(lookups, ({ name }) => nodes.get(name)!.input[0]);
    const costs: NodeSensitivity[] = [];
    for (const [table, readers] of tables) {
      const nodesToQuantize = readers.map(({ name }) => name);
      const { model } = await this.quantize({ ...options, nodesToQuantize });
      const sqnr = await this.sqnr(model, table);
      costs.push(
        ...readers.map(({ name, opType }) => ({ node: name, opType, sqnr, estimated: false })),
      );
    }
    return costs;
  }

  /** Those that can be switched from run to run. */
  private async rankSwitched(
    nodes: readonly QuantizedNode[],
    options: QuantizeStaticOptions,
  ): Promise<NodeSensitivity[]> {
    if (nodes.length === 0) return [];
    const names = nodes.map(({ name }) => name);
    await using switches = await NodeSwitches.open(this.where, this.calibration, names, {
      ...this.options,
      ...options,
    });
    return await sensitivities(
      nodes,
      (on, step) => this.judge.switched(switches, new Set(on), step),
    );
  }

  /** Those in graphs inside of others, which take a model for each measurement. */
  private async rankInner(
    nodes: readonly QuantizedNode[],
    options: QuantizeStaticOptions,
  ): Promise<NodeSensitivity[]> {
    return await sensitivities(nodes, async (nodesToQuantize, step) => {
      const { model } = await this.quantize({ ...options, nodesToQuantize });
      return await this.sqnr(model, step);
    });
  }

  /** Frees the float model's session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.judge[Symbol.asyncDispose]();
  }
}

/** What each node costs, from measurements of some at a time. */
async function sensitivities(
  nodes: readonly QuantizedNode[],
  measure: (names: string[], step: string) => Promise<number>,
): Promise<NodeSensitivity[]> {
  if (nodes.length === 0) return [];
  const shares = await noiseShares(nodes.length, MOST_MEASURED, async (sources) => {
    const on = sources.map((i) => nodes[i].name);
    const step = on.length === 1 ? on[0] : `${on.length} nodes from ${on[0]}`;
    return 10 ** (-await measure(on, step) / 10);
  });
  return nodes.map(({ name, opType }, i) => ({
    node: name,
    opType,
    sqnr: -10 * Math.log10(shares[i].noise),
    estimated: shares[i].estimated,
  }));
}
