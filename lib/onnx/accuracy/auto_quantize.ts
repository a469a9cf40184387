/**
 * Quantizing as much of an ONNX model as an accuracy allows.
 *
 * @module
 */
import { plotBars } from "../../plot/bars.ts";
import type { Figure } from "../../plot/figure.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";
import type { RemedyOf } from "../../quantization/improve/remedy.ts";
import { RemedySearch } from "../../quantization/tune/remedy_search.ts";
import type { OnnxCalibration, OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { fewestLeftOut } from "./fewest_left_out.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { QuantizedActivation } from "../qdq/quantize_graph.ts";
import type { QuantizedNode, QuantizeStaticOptions } from "../quantize_static.ts";
import type { VerifiedGraph } from "../verify/verify.ts";
import { type NodeSensitivity, type VariantOptions, Variants } from "./variants.ts";

/** Options of {@linkcode autoQuantize}: those of `quantizeStatic`, and what is asked for. */
export interface AutoQuantizeOptions extends VariantOptions {
  /** The SQNR that the output keeps on the held-out samples, in dB. */
  targetSqnr: number;
}

/** A try and what it reached. */
export interface AutoQuantizeStep {
  /** What was done. */
  readonly step: string;
  /** SQNR of the output, in dB. */
  readonly sqnr: number;
  /** Bytes of the model as one file. */
  readonly bytes: number;
}

/** A model that is quantized as far as its accuracy allowed, and what was done for that. */
export class AutoQuantizeResult extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AutoQuantizeResult";

  /** The quantized model. */
  readonly model: OnnxModel;
  /** What was asked for, in dB. */
  readonly targetSqnr: number;
  /** SQNR of the output on the held-out samples, in dB. */
  readonly sqnr: number;
  /** What was tried, the last one being the result. */
  readonly steps: readonly AutoQuantizeStep[];
  /** The nodes that were left in float, the most sensitive first. */
  readonly leftOut: readonly NodeSensitivity[];
  /** How many nodes are quantized. */
  readonly quantizedNodes: number;
  /** The nodes that can be quantized, in the graph's order, and whether they were. */
  readonly nodes: readonly QuantizedNode[];
  /** The activations that are bytes now. */
  readonly activations: readonly QuantizedActivation[];
  /** What a person should know of the model, as {@linkcode quantizeStatic} tells it. */
  readonly warnings: readonly string[];

  /** The result of {@linkcode autoQuantize}. */
  constructor(
    parts: Pick<
      AutoQuantizeResult,
      | "model"
      | "targetSqnr"
      | "sqnr"
      | "steps"
      | "leftOut"
      | "quantizedNodes"
      | "nodes"
      | "activations"
      | "warnings"
    >,
  ) {
    super();
    this.model = parts.model;
    this.targetSqnr = parts.targetSqnr;
    this.sqnr = parts.sqnr;
    this.steps = parts.steps;
    this.leftOut = parts.leftOut;
    this.quantizedNodes = parts.quantizedNodes;
    this.nodes = parts.nodes;
    this.activations = parts.activations;
    this.warnings = parts.warnings;
  }

  /** Whether the target is met on the held-out samples. */
  get reached(): boolean {
    return this.sqnr >= this.targetSqnr;
  }

  /** A row for each step, and for each node left out. */
  override table(): Table {
    const rows = [
      ...this.steps.map(({ step, sqnr, bytes }) => ({
        step,
        "output SQNR": decibels(sqnr),
        bytes: bytes.toLocaleString("en-US"),
      })),
      ...this.leftOut.map(({ node, opType, sqnr, estimated }) => ({
        step: `  float: ${opType} ${node}`,
        "output SQNR": `${estimated ? "≈ " : ""}${decibels(sqnr)} alone`,
      })),
    ];
    const { sqnr, targetSqnr, quantizedNodes, leftOut, reached } = this;
    const note = `${decibels(sqnr)} of the ${decibels(targetSqnr)} asked for${
      reached ? "" : ", which is out of reach"
    }; ${quantizedNodes} nodes are quantized, ${leftOut.length} were left out`;
    return new Table(rows, { title: "Quantized as far as the accuracy allows", note });
  }

  /** What each step reached. */
  override figure(): Promise<Figure | null> {
    const finite = this.steps.filter(({ sqnr }) => Number.isFinite(sqnr));
    if (!finite.length) return Promise.resolve(null);
    return plotBars(Object.fromEntries(finite.map(({ step, sqnr }) => [step, sqnr])), {
      title: `Asked for: ${decibels(this.targetSqnr)}`,
      label: "SQNR of the output, dB",
      format: decibels,
    });
  }
}

/** A quantized model that was tried, and how it came about. */
interface Tried {
  readonly options: QuantizeStaticOptions;
  readonly graph: VerifiedGraph;
  /** SQNR of the output, in dB. */
  readonly sqnr: number;
  readonly leftOut: readonly NodeSensitivity[];
}

/** What is tried of options that ask for less, before nodes are left out. */
function widening(step: string, wider: QuantizeStaticOptions): RemedyOf<Tried, Variants> {
  return {
    ...{ name: step, purpose: step, rewrites: false },
    async apply({ options, leftOut }, variants) {
      const widened = { ...options, ...wider };
      const graph = await variants.quantize(widened);
      const sqnr = await variants.sqnr(graph.model, step);
      return {
        state: { options: widened, graph, sqnr, leftOut },
        found: undefined,
        summary: step,
      };
    },
  };
}

/** As many of the noisiest nodes in float as the target needs. */
function fewestInFloat(targetSqnr: number): RemedyOf<Tried, Variants> {
  return {
    ...{ name: "float", purpose: "leaves few nodes in float", rewrites: false },
    async apply({ options, graph, sqnr }, variants) {
      const ranked = await variants.rank(graph.nodes, options);
      const sources = ranked.map(({ node, sqnr }) => ({ name: node, noise: 10 ** (-sqnr / 10) }));
      const left = await fewestLeftOut(sources, targetSqnr, async (nodes) => {
        if (nodes.size === 0) return sqnr;
        const { model } = await variants.quantize(variants.without(nodes, options));
        return await variants.sqnr(model, `without ${nodes.size} nodes`);
      });
      const count = left.names.length;
      const names = new Set(left.names);
      const chosen = variants.without(left.names, options);
      return {
        state: {
          ...{ options: chosen, graph: await variants.quantize(chosen), sqnr: left.sqnr },
          leftOut: ranked.filter(({ node }) => names.has(node)),
        },
        found: left.names,
        summary: `${count} ${count === 1 ? "node" : "nodes"} in float`,
      };
    },
  };
}

/** What can be tried, the cheapest first. */
function remediesFor(
  { perChannel, weightType }: Pick<QuantizeStaticOptions, "perChannel" | "weightType">,
  targetSqnr: number,
): RemedyOf<Tried, Variants>[] {
  const eight = weightType === "int4" ? "int8" : weightType === "uint4" ? "uint8" : undefined;
  return [
    ...(perChannel === false ? [widening("a scale for each channel", { perChannel: true })] : []),
    ...(eight ? [widening("weights of 8 bits", { weightType: eight })] : []),
    fewestInFloat(targetSqnr),
  ];
}

/**
 * Quantizes a model so that its output keeps a target SQNR on samples that it was not calibrated on, leaving
 * as few nodes in float as it finds. What is cheap comes first:
 *
 * 1. everything as the options say;
 * 2. weights with a scale for each channel, if the options asked for one for each tensor;
 * 3. weights of 8 bits, if the options asked for 4;
 * 4. the noisiest nodes in float: those that have a weight or a table or multiply activations are ranked as `rankNodes` does, then
 *    as many of the noisiest are left out as the target needs, and those that can come back do. What stands between
 *    nodes that were left out, such as sums, is float then too.
 *
 * It stops as soon as the target is met. The same input gives the same model. The calibration is done once.
 * Activations of 16 bits are not tried: onnxruntime has no integer kernels for them on the CPU, so that they
 * take longer than floats.
 *
 * @param model the float model: itself, its path or its bytes.
 * @param data samples to calibrate on, or a calibration that was made before; then `model` is of no account.
 * @param options the target, what to judge on, how to quantize, progress and a signal to stop. The held-out samples
 * are gone through once for each variant: up to two hundred times for a big model, so a few dozen samples are plenty.
 * @returns the model and what was done; `reached` says whether the target is met.
 * @throws {RangeError} if the target is not a number, or there are no samples.
 * @throws {Error} as `quantizeStatic` does.
 *
 * @example
 * ```ts
 * import { autoQuantize, exportOnnx, Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(8, 6), relu: new ReLU(), fc2: new Linear(6, 3) });
 * const model = await exportOnnx(m, randn([1, 8]));
 * const samples = Array.from({ length: 8 }, () => ({ input: randn([4, 8]) }));
 * const heldOut = [{ input: randn([16, 8]) }];
 * const result = await autoQuantize(model, samples, { targetSqnr: 25, heldOut });
 * console.log(String(result), result.reached, result.leftOut);
 * ```
 */
export async function autoQuantize(
  model: OnnxSource,
  data: OnnxSamples | OnnxCalibration,
  options: AutoQuantizeOptions,
): Promise<AutoQuantizeResult> {
  const where = "autoQuantize";
  const { targetSqnr, ...rest } = options;
  if (!Number.isFinite(targetSqnr)) {
    throw new RangeError(
      `${where}: the target is ${targetSqnr}; give the SQNR to keep in dB, such as { targetSqnr: 30 }`,
    );
  }
  await using variants = await Variants.open(where, model, data, rest);
  const search = new RemedySearch<Tried, Variants>({
    target: targetSqnr,
    problem: (message) => new OnnxError(`${where}: ${message}`),
    score: ({ graph, sqnr }) =>
      Promise.resolve({ metric: sqnr, sqnr, bytes: graph.model.byteLength(), takes: 0 }),
  });
  const first = await search.start([{
    summary: "everything",
    make: async () => {
      const graph = await variants.quantize();
      const sqnr = await variants.sqnr(graph.model, "everything");
      return { options: {}, graph, sqnr, leftOut: [] };
    },
  }]);
  const best = await search.improve(first, remediesFor(rest, targetSqnr), variants);
  const steps: AutoQuantizeStep[] = search.steps.filter(({ kept }) => kept)
    .map(({ summary, sqnr, bytes }) => ({ step: summary, sqnr, bytes }));
  const { leftOut } = best;
  let { sqnr } = best;
  const result = await variants.verified(best.options);
  // Nodes may be run right alone, in the variants before, and not with these.
  if (result.left.size > best.graph.left.size) {
    const step = "what is run right";
    sqnr = await variants.sqnr(result.model, step);
    steps.push({ step, sqnr, bytes: result.model.byteLength() });
  }
  const { model: quantized, nodes, activations, warnings } = result;
  const quantizedNodes = nodes.filter(({ quantized }) => quantized).length;
  return new AutoQuantizeResult({
    ...{ model: quantized, targetSqnr, sqnr, steps, leftOut, quantizedNodes },
    ...{ nodes, activations, warnings },
  });
}
