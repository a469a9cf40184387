/**
 * What forms of a model are worth: how far off their outputs are, and how long they take.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
import { checkPair } from "../accuracy/compare_onnx.ts";
import { floatNumbers, isFloatType } from "../accuracy/float_output.ts";
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";

/** Runs of a model at least. */
const LEAST_RUNS = 16;

/** What a form is worth. */
export interface FormWorth {
  /** SQNR of the output that is furthest off, over all samples, in dB. */
  readonly sqnr: number;
  /** Milliseconds of a run, the least of several. */
  readonly ms: number;
}

type Outputs = Readonly<Record<string, OnnxOutput>>;

/** Runs a model on all samples, and again until it ran often enough; returns the least time. */
async function run(
  where: string,
  model: OnnxModel,
  samples: readonly OnnxFeeds[],
  see: (index: number, outputs: Outputs) => void,
): Promise<number> {
  await using runtime = await OnnxRuntime.open(where, model);
  // The first run of a session finds its memory.
  await runtime.run(samples[0]);
  // What else the machine does makes a run longer, never shorter.
  let least = Infinity;
  for (let i = 0; i < Math.max(samples.length, LEAST_RUNS); i++) {
    const start = performance.now();
    const outputs = await runtime.run(samples[i % samples.length]);
    least = Math.min(least, performance.now() - start);
    if (i < samples.length) see(i, outputs);
  }
  return least;
}

/** Judges forms by what the float model answers. One model is open at a time. */
export class FormJudge {
  private constructor(
    private readonly where: string,
    private readonly samples: readonly OnnxFeeds[],
    private readonly answers: readonly Outputs[],
    /** Milliseconds of a run of the float model, the least of several. */
    readonly ms: number,
  ) {}

  /** Runs the float model. */
  static async open(
    where: string,
    float: OnnxModel,
    samples: readonly OnnxFeeds[],
  ): Promise<FormJudge> {
    const answers: Outputs[] = [];
    const ms = await run(where, float, samples, (_, outputs) => answers.push(outputs));
    return new FormJudge(where, samples, answers, ms);
  }

  /** Runs a form of it. */
  async worth(model: OnnxModel): Promise<FormWorth> {
    const noises = new Map<string, Noise>();
    const ms = await run(this.where, model, this.samples, (index, outputs) => {
      for (const [name, float] of Object.entries(this.answers[index])) {
        const own = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
        if (!own || !isFloatType(float.type) || !isFloatType(own.type)) continue;
        checkPair(this.where, name, float, own);
        const noise = noises.get(name) ?? new Noise();
        noises.set(name, noise);
        noise.add(floatNumbers(float), floatNumbers(own));
      }
    });
    return { sqnr: Math.min(...[...noises.values()].map(({ sqnr }) => sqnr)), ms };
  }
}
