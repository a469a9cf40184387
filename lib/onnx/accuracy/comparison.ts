/**
 * What a comparison of a float and a quantized ONNX model found.
 *
 * @module
 */
import type { Figure } from "../../plot/figure.ts";
import { plotLines } from "../../plot/lines.ts";
import { decibels, percent } from "../../plot/format.ts";
import { AnalysisReport, barsOfDecibels } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";

/** An output of both models. */
export interface OnnxOutputComparison {
  /** Its name. */
  readonly name: string;
  /** SQNR over all samples, in dB; infinite if nothing is off. */
  readonly sqnr: number;
  /** The share of rows whose greatest value is at the same place, from 0 to 1; null for what are no
   * classes. */
  readonly top1: number | null;
  /** SQNR of each sample, in dB. */
  readonly sqnrPerSample: readonly number[];
}

/** A tensor that nodes of both models make. */
export interface OnnxTensorComparison {
  /** Its name. */
  readonly name: string;
  /** The operator that makes it in the float model. */
  readonly opType: string;
  /** Whether the quantized model keeps it in integers. */
  readonly quantized: boolean;
  /** SQNR over all samples, in dB. */
  readonly sqnr: number;
}

/** One of the models. */
export interface OnnxModelCost {
  /** Bytes of the model as one file. */
  readonly bytes: number;
  /** Milliseconds of each run, in the order of the samples. */
  readonly latency: readonly number[];
}

/** Bars in a figure at most. */
export const MOST_BARS = 24;

/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Float and quantized ONNX model side by side. */
export class OnnxComparison extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxComparison";

  /** How many samples were run. */
  readonly samples: number;
  /** A row for each output of float numbers. */
  readonly outputs: readonly OnnxOutputComparison[];
  /** A row for each tensor that both models compute, in the float model's order. */
  readonly tensors: readonly OnnxTensorComparison[];
  /** What the float model takes. */
  readonly float: OnnxModelCost;
  /** What the quantized model takes. */
  readonly quantized: OnnxModelCost;

  /** The result of {@linkcode compareOnnx}. */
  constructor(
    parts: Pick<OnnxComparison, "samples" | "outputs" | "tensors" | "float" | "quantized">,
  ) {
    super();
    this.samples = parts.samples;
    this.outputs = parts.outputs;
    this.tensors = parts.tensors;
    this.float = parts.float;
    this.quantized = parts.quantized;
  }

  /** SQNR of the output that is furthest off, in dB. */
  get sqnr(): number {
    return Math.min(...this.outputs.map(({ sqnr }) => sqnr));
  }

  /** A row for each output and each tensor. */
  override table(): Table {
    const rows = [
      ...this.tensors.map(({ name, opType, quantized, sqnr }) => ({
        tensor: name,
        operator: opType,
        kept: quantized ? "integers" : "float",
        SQNR: decibels(sqnr),
      })),
      ...this.outputs.map(({ name, sqnr, top1 }) => ({
        tensor: name,
        operator: "output",
        kept: "float",
        SQNR: decibels(sqnr),
        "same class": percent(top1),
      })),
    ];
    const { float, quantized, samples } = this;
    const count = (n: number) => n.toLocaleString("en-US");
    const cost = ({ bytes, latency }: OnnxModelCost) =>
      `${count(bytes)} bytes and ${median(latency).toFixed(2)} ms`;
    const note = `Over ${samples} ${samples === 1 ? "sample" : "samples"}, medians: ` +
      `${cost(float)} in float, ${cost(quantized)} quantized`;
    return new Table(rows, { title: "Float against quantized", note });
  }

  /** The SQNR of each tensor, down to the outputs: a bar for each if they are few, else a line. */
  override figure(): Promise<Figure | null> {
    const values = [...this.tensors, ...this.outputs];
    const title = "Float against quantized";
    if (values.length <= MOST_BARS) {
      const bars = Object.fromEntries(values.map(({ name, sqnr }) => [name, sqnr]));
      return barsOfDecibels(bars, title, "SQNR of each tensor, dB");
    }
    const ratios = values.map(({ sqnr }) => sqnr);
    if (!ratios.some(Number.isFinite)) return Promise.resolve(null);
    return plotLines({ SQNR: ratios }, {
      title,
      xLabel: "tensors, in order of computation",
      yLabel: "SQNR, dB",
    });
  }
}
