/**
 * What tuning came to, whatever was tuned.
 *
 * @module
 */
import { plotBars } from "../../plot/bars.ts";
import type { Figure } from "../../plot/figure.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";
import type { TuneStep } from "./remedy_search.ts";

/** What every result of tuning has: a model of the class `M`, a recipe `R` and findings `F`. */
export interface TuningParts<M, R, F> {
  /** The quantized model, the best that was found. */
  readonly model: M;
  /** What was done, to be done again. */
  readonly recipe: R;
  /** What costs most in the plain quantized model, the worst first. */
  readonly diagnosis: readonly F[];
  /** What was tried, in its order. */
  readonly steps: readonly TuneStep[];
  /** The name of the metric. */
  readonly metric: string;
  /** The metric of the model on the held-out samples. */
  readonly value: number;
  /** SQNR of the model's output on the held-out samples, in dB. */
  readonly sqnr: number;
  /** What was asked for. */
  readonly target: number | undefined;
  /** Whether it is within the limits of size and latency. */
  readonly allowed: boolean;
  /** What a person should know, each a sentence. */
  readonly warnings: readonly string[];
}

/** A model that was made better, what was done for that and why. */
export abstract class TuningResult<M, R, F extends { readonly sentence: string }>
  extends AnalysisReport
  implements TuningParts<M, R, F> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TuningResult";

  /** The quantized model, the best that was found. */
  readonly model: M;
  /** What was done, to be done again. */
  readonly recipe: R;
  /** What costs most in the plain quantized model, the worst first. */
  readonly diagnosis: readonly F[];
  /** What was tried, in its order. */
  readonly steps: readonly TuneStep[];
  /** The name of the metric. */
  readonly metric: string;
  /** The metric of the model on the held-out samples. */
  readonly value: number;
  /** SQNR of the model's output on the held-out samples, in dB. */
  readonly sqnr: number;
  /** What was asked for. */
  readonly target: number | undefined;
  /** Whether it is within the limits of size and latency. */
  readonly allowed: boolean;
  /** What a person should know, each a sentence. */
  readonly warnings: readonly string[];

  /** What tuning came to. */
  constructor(parts: TuningParts<M, R, F>) {
    super();
    this.model = parts.model;
    this.recipe = parts.recipe;
    this.diagnosis = parts.diagnosis;
    this.steps = parts.steps;
    this.metric = parts.metric;
    this.value = parts.value;
    this.sqnr = parts.sqnr;
    this.target = parts.target;
    this.allowed = parts.allowed;
    this.warnings = parts.warnings;
  }

  /** Whether the target is met on the held-out samples, within the limits. */
  get reached(): boolean {
    return this.allowed && (this.target === undefined || this.value >= this.target);
  }

  /** A row for each step. */
  override table(): Table {
    const judged = this.metric !== "sqnr";
    const rows = this.steps.map(({ remedy, summary, metric, sqnr, bytes, kept }) => ({
      step: remedy,
      ...(judged ? { [this.metric]: metric.toPrecision(4) } : {}),
      "output SQNR": decibels(sqnr),
      bytes: bytes.toLocaleString("en-US"),
      kept: kept ? "yes" : "no",
      "what was done": summary,
    }));
    const value = judged ? this.value.toPrecision(4) : decibels(this.value);
    const asked = this.target === undefined
      ? ""
      : ` of the ${judged ? this.target : decibels(this.target)} asked for`;
    const note = [
      `${value}${asked}${this.reached ? "" : ", which nothing that was tried reaches"}`,
      ...this.diagnosis.map(({ sentence }) => sentence),
      ...this.warnings,
    ].join("\n");
    return new Table(rows, { title: "Tuned", note });
  }

  /** What each step reached. */
  override figure(): Promise<Figure | null> {
    const finite = this.steps.filter(({ sqnr }) => Number.isFinite(sqnr));
    if (!finite.length) return Promise.resolve(null);
    const bars = finite.map(({ remedy, summary, sqnr, kept }) =>
      [remedy === "plain" ? summary : kept ? remedy : `${remedy} (left)`, sqnr] as const
    );
    return plotBars(Object.fromEntries(bars), {
      title: "What each step reached",
      label: "SQNR of the output, dB",
      format: decibels,
    });
  }
}
