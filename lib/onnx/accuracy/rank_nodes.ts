/**
 * Which nodes of an ONNX model suffer most from being quantized.
 *
 * @module
 */
import type { Figure } from "../../plot/figure.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport, barsOfDecibels } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";
import type { OnnxCalibration, OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { MOST_BARS } from "./comparison.ts";
import { type NodeSensitivity, type VariantOptions, Variants } from "./variants.ts";

/** The nodes of a model, the most sensitive first. */
export class NodeRanking extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "NodeRanking";

  /**
   * The result of {@linkcode rankNodes}.
   *
   * @param nodes a row for each node, the lowest SQNR first.
   * @param sqnr SQNR of the output with all of them quantized, in dB.
   */
  constructor(readonly nodes: readonly NodeSensitivity[], readonly sqnr: number) {
    super();
  }

  /** A row for each node. */
  override table(): Table {
    const rows = this.nodes.map(({ node, opType, sqnr, estimated }) => ({
      node,
      operator: opType,
      "output SQNR": `${estimated ? "≈ " : ""}${decibels(sqnr)}`,
    }));
    const shares = this.nodes.some(({ estimated }) => estimated)
      ? "; ≈: a share of what nodes next to each other make together"
      : "";
    const note = `With all of them quantized: ${decibels(this.sqnr)}${shares}`;
    return new Table(rows, { title: "One node quantized at a time", note });
  }

  /** A bar for each of the most sensitive nodes. */
  override figure(): Promise<Figure | null> {
    const worst = this.nodes.slice(0, MOST_BARS);
    const values = Object.fromEntries(worst.map(({ node, sqnr }) => [node, sqnr]));
    return barsOfDecibels(values, "One node quantized at a time", "SQNR of the output, dB");
  }
}

/**
 * Quantizes one node at a time and ranks the nodes by the SQNR that the model's output is left with: those with a
 * weight, and products of activations. What stands between them, such as sums and clips, is quantized because
 * they are, and is not ranked. The calibration is done once, and all nodes are judged in one session, in which each
 * can be told to compute with integers.
 *
 * Up to 128 nodes are quantized one by one. Of more, nodes next to each other are quantized together, and the
 * groups that cost most are halved time and again, with 128 measurements in all; what a group costs in the end is
 * shared out to its nodes, which are then marked as estimated. So the time grows with the model and not with
 * its square, and the nodes that hurt most are measured alone.
 *
 * @param model the float model: itself, its path or its bytes.
 * @param data samples to calibrate on, or a calibration that was made before; then `model` is of no account.
 * @param options how to quantize, what to judge on, progress and a signal to stop. The held-out samples are gone
 * through once for each measurement.
 * @returns a row for each node that would be quantized, the most sensitive first.
 * @throws {RangeError} if there are no samples.
 * @throws {Error} as `quantizeStatic` does.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, randn, rankNodes, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(8, 6), relu: new ReLU(), fc2: new Linear(6, 3) });
 * const model = await exportOnnx(m, randn([1, 8]));
 * const samples = Array.from({ length: 8 }, () => ({ input: randn([4, 8]) }));
 * const ranking = await rankNodes(model, samples, { heldOut: [{ input: randn([16, 8]) }] });
 * console.log(String(ranking), ranking.nodes[0].node);
 * ```
 */
export async function rankNodes(
  model: OnnxSource,
  data: OnnxSamples | OnnxCalibration,
  options: VariantOptions,
): Promise<NodeRanking> {
  await using variants = await Variants.open("rankNodes", model, data, options);
  const all = await variants.quantize();
  const sqnr = await variants.sqnr(all.model, "all nodes");
  return new NodeRanking(await variants.rank(all.nodes), sqnr);
}
