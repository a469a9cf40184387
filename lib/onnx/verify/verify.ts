/**
 * Making sure that onnxruntime runs what was quantized, and telling what it makes of it.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";
import { TemporaryFile } from "../../files/temporary_file.ts";
import type { OnnxCalibration } from "../calibration/calibrate.ts";
import { loadOrt, runtimeHasFiles } from "../run/load_ort.ts";
import { describeNode } from "../graph/describe_node.ts";
import type { TensorRange } from "../qdq/params.ts";
import type { QuantizedGraph } from "../qdq/quantize_graph.ts";
import { inWords, leftOut, mended } from "./mend.ts";
import { SampleCheck, type Verdict } from "./sample_check.ts";
import { computedInFloat, graphIn } from "./what_ran.ts";
import { worstNode } from "./worst_node.ts";

/** What makes a quantized graph. */
export interface Quantizing {
  /** Opens the errors. */
  readonly where: string;
  /** What it is made from. */
  readonly calibration: OnnxCalibration;
  /**
   * Makes it.
   *
   * @param left nodes to leave in float, and why.
   * @param ranges other ones than those that the calibration's method chooses.
   */
  readonly quantize: (
    left: ReadonlyMap<string, string>,
    ranges?: ReadonlyMap<string, TensorRange>,
  ) => Promise<QuantizedGraph>;
  /** Nodes that are known to be left in float, and why. */
  readonly left: ReadonlyMap<string, string>;
  /** Whether other kernels than those of this machine are to run it, so that it does not matter which these are. */
  readonly elsewhere?: boolean;
  /** A folder for a temporary file, where the system's is not open to the program. */
  readonly temporaryFolder?: string;
  /** Ends the work. */
  readonly signal?: AbortSignal;
}

/** A quantized graph that was looked at. */
export interface VerifiedGraph extends QuantizedGraph {
  /** The nodes that onnxruntime does not run right, and what is wrong with them; they are in float. */
  readonly left: ReadonlyMap<string, string>;
  /** What a person should know of it. */
  readonly warnings: readonly string[];
}

/** An SQNR that hardly any use is content with, in dB. */
const POOR = 10;
/** By how much less than the whole ranges a method's have to give before that is told, in dB. */
const WORSE = 1;
/** Bytes of a float model of which onnxruntime is not asked for a file of what it makes of it. */
const LARGE = 1 << 30;

/**
 * Quantizes a graph, opens it in onnxruntime and runs it on the sample that the calibration keeps. Nodes that keep it
 * from running, or that integer kernels compute wrongly, are found and left in float.
 *
 * @throws {OnnxError} if onnxruntime does not run it whatever is left in float.
 */
export async function verifiedGraph(quantizing: Quantizing): Promise<VerifiedGraph> {
  const { where, calibration, quantize, temporaryFolder, elsewhere = false } = quantizing;
  try {
    await loadOrt(where);
  } catch (error) {
    const graph = await quantize(quantizing.left);
    const warnings = [`the model was not opened in onnxruntime: ${messageOf(error)}`];
    return { ...graph, left: quantizing.left, warnings };
  }
  const warnings: string[] = [];
  const check = await SampleCheck.open(where, calibration.model, calibration.firstSample);
  if (check.problem) {
    warnings.push(`the model was opened in onnxruntime and not run: ${check.problem}`);
  }
  const large = calibration.model.byteLength() > LARGE;
  await using file = large || elsewhere || !runtimeHasFiles()
    ? undefined
    : await TemporaryFile.create(temporaryFolder);
  const { graph, verdict, left } = await mended(
    { ...quantizing, graph: calibration.model.graph },
    check,
    file?.path,
  );
  warnings.push(...leftOut(left));
  if (verdict.fault) {
    const problem = inWords(verdict.fault);
    warnings.push(`${problem}, whatever stays float; it may compute with random numbers`);
  }
  const nodes = file ? await whatRan(graph, file, warnings) : graph.nodes;
  // Where there are no files, nobody could help it.
  if (!file && !elsewhere && runtimeHasFiles()) {
    const why = large
      ? "for onnxruntime would take twice the memory to tell"
      : "for which it has to write a temporary file; allow reading and writing files, or give " +
        "`temporaryFolder` one that may be written";
    warnings.push(`which kernels onnxruntime runs was not looked at, ${why}`);
  }
  if (!nodes.some(({ quantized }) => quantized)) {
    warnings.push(
      "nothing became integers: each node stays float, for the reasons that stand with it; leave out fewer nodes, " +
        "or keep the float model",
    );
  }
  await judgeAccuracy({ ...quantizing, left }, check, graph, verdict, warnings);
  return { ...graph, nodes, left, warnings };
}

/** What became of the nodes, once onnxruntime has chosen its kernels. */
async function whatRan(
  { model, nodes }: QuantizedGraph,
  file: TemporaryFile,
  warnings: string[],
): Promise<QuantizedGraph["nodes"]> {
  const optimized = await graphIn(model, file);
  const meant = new Set(nodes.filter(({ quantized }) => quantized).map(({ name }) => name));
  const floats = computedInFloat(model.graph, optimized, meant);
  if (floats.size > 0) {
    const names = [...floats.keys()].slice(0, 4).map((name) => JSON.stringify(name)).join(", ");
    warnings.push(
      `onnxruntime computes ${floats.size} of the ${meant.size} nodes that were quantized in float, so that they are ` +
        `small and not faster: ${names}${floats.size > 4 ? ", …" : ""}`,
    );
  }
  return nodes.map((node) => {
    const kernel = floats.get(node.name);
    if (kernel === undefined) return node;
    const reason = `onnxruntime computes it in float: it makes a ${kernel} of it`;
    return { ...node, quantized: false, reason };
  });
}

/** Tells what costs more accuracy than it has to. */
async function judgeAccuracy(
  { where, calibration, quantize, left }: Quantizing,
  check: SampleCheck,
  graph: QuantizedGraph,
  { sqnr }: Verdict,
  warnings: string[],
): Promise<void> {
  if (sqnr === undefined) return;
  const whole = await calibration.wholeRanges();
  if (whole) {
    const { sqnr: other = NaN } = await check.judge((await quantize(left, whole)).model);
    if (other - sqnr > WORSE) {
      warnings.push(
        `the ranges that calibrationMethod chooses give ${
          decibels(sqnr)
        } on a calibration sample, and those of ` +
          `minmax ${decibels(other)}; take minmax`,
      );
      return; // which is why, if it is far off
    }
  }
  if (sqnr >= POOR) return;
  const worst = await worstNode(where, calibration.model, graph.model, check.sample!);
  const at = worst
    ? `; most is lost at the ${describeNode(worst.node)}, after which it is ${
      decibels(worst.sqnr)
    }: leave ` +
      `it out by nodesToExclude`
    : "";
  warnings.push(
    `the output is far from the float model's, ${decibels(sqnr)} on a calibration sample${at}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
