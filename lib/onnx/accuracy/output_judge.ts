/**
 * How far the outputs of many variants of a model are from the float one's, on the same samples.
 *
 * @module
 */
import { floatNumbers, isFloatType } from "./float_output.ts";
import type { Runs } from "../../quantization/analysis/inputs.ts";
import { Noise } from "../../quantization/analysis/noise.ts";
import type { OnnxSamples } from "../calibration/calibrate.ts";
import { checkPair } from "./compare_onnx.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeSwitches } from "./node_switches.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";

/**
 * Samples that are gone through several times: a list, or a function that gives them anew each time. Of any other
 * iterable a list is made.
 */
export type RepeatedSamples = OnnxSamples | (() => OnnxSamples);

/** Bytes of float outputs that are kept from one variant to the next; others are computed again. */
const KEPT_BYTES = 1 << 28;

/** What is fetched, as {@linkcode OnnxRuntime} gives it. */
type Outputs = Record<string, OnnxOutput>;

/** Judges variants of one float model. */
export class OutputJudge implements AsyncDisposable {
  private readonly kept: Outputs[] = [];
  private bytes = 0;

  private constructor(
    private readonly where: string,
    private readonly float: OnnxRuntime,
    private readonly outputs: readonly string[],
    private readonly samples: () => OnnxSamples,
    private readonly runs: Runs,
  ) {}

  /**
   * Takes in the float model.
   *
   * @param where opens the errors.
   * @param float the reference.
   * @param samples what the variants are judged on.
   * @param runs follows the runs.
   */
  static async open(
    where: string,
    float: OnnxModel,
    samples: RepeatedSamples,
    runs: Runs,
  ): Promise<OutputJudge> {
    let again: () => OnnxSamples;
    if (typeof samples === "function") again = samples;
    else {
      const list = Array.isArray(samples) ? samples : await Array.fromAsync(samples);
      again = () => list;
    }
    const runtime = await OnnxRuntime.open(where, float);
    const outputs = runtime.outputs.filter(({ dtype }) => isFloatType(dtype));
    return new OutputJudge(where, runtime, outputs.map(({ name }) => name), again, runs);
  }

  /** The float outputs of a sample. */
  private async reference(index: number, feeds: OnnxFeeds): Promise<Outputs> {
    const known = this.kept[index];
    if (known) return known;
    const result = await this.float.run(feeds, this.outputs);
    const size = Object.values(result).reduce((sum, { data }) => sum + 4 * data.length, 0);
    if (index === this.kept.length && this.bytes + size <= KEPT_BYTES) {
      this.kept.push(result);
      this.bytes += size;
    }
    return result;
  }

  /**
   * SQNR of the output that is furthest off, over all samples, in dB.
   *
   * @param model a variant of the float model.
   * @param step what is being done, for the progress.
   * @throws {RangeError} if there are no samples.
   */
  async sqnr(model: OnnxModel, step: string): Promise<number> {
    await using runtime = await OnnxRuntime.open(this.where, model);
    return await this.judge((feeds, outputs) => runtime.run(feeds, outputs), step);
  }

  /**
   * The same of the float model in which some nodes compute with integers.
   *
   * @param switches the model.
   * @param on the names of the nodes.
   */
  async switched(switches: NodeSwitches, on: ReadonlySet<string>, step: string): Promise<number> {
    return await this.judge((feeds, outputs) => switches.run(feeds, on, outputs), step);
  }

  /** Runs a variant on every sample. */
  private async judge(
    run: (feeds: OnnxFeeds, outputs: readonly string[]) => Promise<Outputs>,
    step: string,
  ): Promise<number> {
    const noises = new Map(this.outputs.map((name) => [name, new Noise()]));
    let index = 0;
    for await (const feeds of this.samples()) {
      this.runs.check();
      const reference = await this.reference(index++, feeds);
      const result = await run(feeds, this.outputs);
      for (const [name, noise] of noises) {
        checkPair(this.where, name, reference[name], result[name]);
        noise.add(floatNumbers(reference[name]), floatNumbers(result[name]));
      }
      this.runs.step(step);
    }
    if (index === 0) {
      throw new RangeError(
        `${this.where}: there are no held-out samples; give some that were not calibrated on`,
      );
    }
    return Math.min(...[...noises.values()].map(({ sqnr }) => sqnr));
  }

  /** Frees the float model. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.float.release();
  }
}
