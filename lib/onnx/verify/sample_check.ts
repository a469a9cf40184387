/**
 * Opening a quantized model in onnxruntime and running it on one sample.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
import type { OnnxModel } from "../file/model.ts";
import {
  type OnnxFeeds,
  type OnnxOutput,
  OnnxRuntime,
  type OnnxRuntimeOptions,
} from "../run/runtime.ts";

/** What is wrong with a quantized model. */
export type Fault =
  /** onnxruntime does not take it, or does not run it. */
  | { readonly kind: "refused"; readonly message: string }
  /** An integer kernel gives something else than the integers stand for; SQNR of both, in dB. */
  | { readonly kind: "wrong"; readonly sqnr: number; readonly exact: number };

/** What a check came to. */
export interface Verdict {
  readonly fault?: Fault;
  /** SQNR of the output that is furthest off, in dB, if the model was run. */
  readonly sqnr?: number;
}

/** What a model gave, by the names of its outputs. */
type Outputs = Readonly<Record<string, OnnxOutput>>;

/** An SQNR that is as good as it gets; what kernels do to it is of no account. */
const GOOD = 35;
/** How many dB kernels may take away: rounding once more costs 3. */
const KERNELS_COST = 6;

/** Runs variants of one float model on one sample. */
export class SampleCheck {
  private constructor(
    private readonly where: string,
    /** The sample. */
    readonly sample: OnnxFeeds | undefined,
    private readonly reference: Outputs | undefined,
    /** Why nothing can be run. */
    readonly problem: string | undefined,
  ) {}

  /**
   * Runs the float model, if there is a sample to run it on.
   *
   * @param where opens the errors.
   */
  static async open(
    where: string,
    float: OnnxModel,
    sample: OnnxFeeds | undefined,
  ): Promise<SampleCheck> {
    if (!sample) {
      const problem = "no sample is kept of a calibration that was loaded";
      return new SampleCheck(where, undefined, undefined, problem);
    }
    try {
      return new SampleCheck(where, sample, await answers(where, float, sample), undefined);
    } catch (error) {
      const problem = `the float model does not run on the first sample: ${messageOf(error)}`;
      return new SampleCheck(where, sample, undefined, problem);
    }
  }

  /**
   * Opens a model and runs it. Where its output is far off, it is run once more as its operators are
   * defined, without integer kernels.
   *
   * @param optimizedModelPath where onnxruntime is to write what it makes of it.
   */
  async judge(model: OnnxModel, optimizedModelPath?: string): Promise<Verdict> {
    const verdict = await this.run(model, optimizedModelPath);
    // A disk that is full is no fault of the model's.
    return verdict.fault && optimizedModelPath ? await this.run(model) : verdict;
  }

  private async run(model: OnnxModel, optimizedModelPath?: string): Promise<Verdict> {
    const { where, sample, reference } = this;
    let outputs: Outputs;
    try {
      await using runtime = await OnnxRuntime.open(where, model, { optimizedModelPath });
      if (!reference) return {};
      outputs = await runtime.run(sample!);
    } catch (error) {
      return { fault: { kind: "refused", message: messageOf(error) } };
    }
    const sqnr = leastSqnr(reference, outputs);
    if (!(sqnr < GOOD)) return { sqnr };
    const book = await answers(where, model, sample!, { optimization: "disabled" })
      .catch(() => undefined); // it ran with kernels, which is what counts
    const exact = book ? leastSqnr(reference, book) : sqnr;
    return exact - sqnr > KERNELS_COST ? { sqnr, fault: { kind: "wrong", sqnr, exact } } : { sqnr };
  }
}

/** What a model gives for a sample. */
async function answers(
  where: string,
  model: OnnxModel,
  sample: OnnxFeeds,
  options: OnnxRuntimeOptions = {},
): Promise<Outputs> {
  await using runtime = await OnnxRuntime.open(where, model, options);
  return await runtime.run(sample);
}

/** SQNR of the output of floats that is furthest off; no less than nothing is what is no number. */
function leastSqnr(reference: Outputs, outputs: Outputs): number {
  const ratios = Object.entries(reference).flatMap(([name, { data: x }]) => {
    if (!isFloats(x)) return [];
    const y = outputs[name]?.data;
    if (!isFloats(y) || x.length !== y.length) return [-Infinity];
    const noise = new Noise();
    noise.add(x, y);
    if (!Number.isNaN(noise.sqnr)) return [noise.sqnr];
    // Not finite is either the float model's answer or an answer to nothing.
    return x.every(Number.isFinite) ? [-Infinity] : [];
  });
  return Math.min(...ratios);
}

/** Arrays of floats. */
const FLOATS = ["Float16Array", "Float32Array", "Float64Array"];

function isFloats(data: OnnxOutput["data"] | undefined): data is Float32Array {
  return data !== undefined && FLOATS.includes(data.constructor.name);
}

/** What onnxruntime said, without what stands around it. */
function messageOf(error: unknown): string {
  const { cause = error } = error instanceof Error ? error : {};
  return cause instanceof Error ? cause.message : String(cause);
}
