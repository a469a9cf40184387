/**
 * Trying remedies one after the other, and keeping what helps.
 *
 * @module
 */
import { checkOptions, given } from "../../numbers/arguments.ts";
import type { AnalysisOptions } from "../analysis/inputs.ts";
import type { RemedyOf, RemedyStep } from "../improve/remedy.ts";

/** What a quantized model is worth, on held-out samples. */
export interface Score {
  /** By the metric that was asked for. */
  readonly metric: number;
  /** SQNR of the output, in dB. */
  readonly sqnr: number;
}

/** What a quantized model is worth and what it costs. */
export interface Judged extends Score {
  /** Bytes that it takes. */
  readonly bytes: number;
  /** What it takes of the limits of size and latency, as a share: at most 1 is allowed. */
  readonly takes: number;
}

/** A try and what it reached. */
export interface TuneStep {
  /** The remedy, or `"plain"` for what it starts from. */
  readonly remedy: string;
  /** What was done, in a sentence. */
  readonly summary: string;
  /** The metric on the held-out samples. */
  readonly metric: number;
  /** SQNR of the output on the held-out samples, in dB. */
  readonly sqnr: number;
  /** Bytes of the quantized model. */
  readonly bytes: number;
  /** Whether it helped, and was kept. */
  readonly kept: boolean;
}

/** What tuning may cost, and what comes out. */
export interface TuneBudget {
  /** Seconds from which on nothing new is begun; the best that was found is kept. */
  seconds?: number;
  /** Bytes of the quantized model at most. */
  bytes?: number;
  /** The quantized model's time at most, as a share of the float model's. */
  latency?: number;
}

/** Something to start from. */
export interface PlainState<S> {
  /** What it is, for people. */
  readonly summary: string;
  /** Makes it. */
  make(): Promise<S>;
}

/** What a search goes by. */
export interface SearchOptions<S> extends AnalysisOptions {
  /** What a state is worth. */
  score(state: S): Promise<Judged>;
  /** The error of a message. */
  problem(message: string): Error;
  /** What the metric is to reach. */
  readonly target?: number;
  /** Seconds from which on nothing new is begun. */
  readonly seconds?: number;
}

/** Thrown when the time is over. */
class TimeIsUp extends Error {}

/** Whether a score is better than another. */
function better(a: Score, b: Score): boolean {
  return a.metric > b.metric || a.metric === b.metric && a.sqnr > b.sqnr;
}

/** Above the limits, this much less of what is taken counts, and this much more is not to be told from what clocks are off by. */
const NEARER = 0.02;

/** Whether a state is to be gone on from in place of another: what is allowed, or else what comes nearer to that, or else what is better. */
export function preferred(a: Judged, b: Judged): boolean {
  if (a.takes <= 1 || b.takes <= 1) return a.takes <= 1 && (b.takes > 1 || better(a, b));
  if (a.takes < b.takes * (1 - NEARER)) return true;
  return a.takes <= b.takes * (1 + NEARER) && better(a, b);
}

/** Goes through remedies, and remembers what they brought. */
export class RemedySearch<S, T> {
  private readonly began = performance.now();
  /** What was tried, in its order. */
  readonly steps: TuneStep[] = [];
  /** What was kept, to be done again. */
  readonly recipe: RemedyStep[] = [];
  /** What a person should know, each a sentence. */
  readonly warnings: string[] = [];
  /** Whether the time counts: not before there is anything, and not once it is to be finished. */
  private timed = false;
  private runs = 0;

  /** @param options the score, the target, what ends it and who follows it. */
  constructor(private readonly options: SearchOptions<S>) {}

  /** Throws where the work is to end. */
  readonly check = (): void => {
    this.options.signal?.throwIfAborted();
    if (this.timed && this.isOver) throw new TimeIsUp();
  };

  /** Whether the time is over. */
  get isOver(): boolean {
    const { seconds = Infinity } = this.options;
    return performance.now() - this.began > 1000 * seconds;
  }

  private note(remedy: string, summary: string, score: Judged, kept: boolean): void {
    const { metric, sqnr, bytes } = score;
    this.steps.push({ remedy, summary, metric, sqnr, bytes, kept });
    this.options.onProgress?.({ step: remedy, done: ++this.runs, total: undefined });
  }

  /** The best of what there is to start from; of later ones none is begun once the time is over. */
  async start(plain: readonly PlainState<S>[]): Promise<S> {
    let best: { state: S; score: Judged } | undefined;
    for (const { summary, make } of plain) {
      if (best && this.isOver) break;
      const state = await make();
      const score = await this.options.score(state);
      const kept = !best || better(score, best.score);
      if (kept) best = { state, score };
      this.note("plain", summary, score, kept);
    }
    return best!.state;
  }

  /** The best state that the remedies lead to, until the target is reached or the time is over. */
  async improve(first: S, remedies: readonly RemedyOf<S, T>[], tools: T): Promise<S> {
    const { target = Infinity, seconds } = this.options;
    let state = first;
    let score = await this.options.score(state);
    this.timed = true;
    const tried = new Map<string, S>();
    try {
      for (const remedy of remedies) {
        if (score.metric >= target && score.takes <= 1) break;
        // What comes twice is of use once something else was kept.
        if (tried.get(remedy.name) === state) continue;
        this.check();
        const done = await remedy.apply(state, tools);
        tried.set(remedy.name, state);
        if (!done) continue;
        // What has come to an end is judged, however late it is.
        this.timed = false;
        const reached = await this.options.score(done.state);
        this.timed = true;
        const kept = preferred(reached, score);
        this.note(remedy.name, done.summary, reached, kept);
        if (!kept) continue;
        [state, score] = [done.state, reached];
        tried.set(remedy.name, state);
        this.recipe.push({ remedy: remedy.name, found: done.found });
      }
    } catch (error) {
      if (!(error instanceof TimeIsUp)) throw error;
      this.warnings.push(
        `the ${seconds} seconds were over before all was tried; this is the best until then`,
      );
    }
    this.timed = false;
    return state;
  }

  /** Does what a recipe says. */
  async follow(
    first: S,
    steps: readonly RemedyStep[],
    remedies: readonly RemedyOf<S, T>[],
    tools: T,
  ): Promise<S> {
    let state = first;
    for (const { remedy, found } of steps) {
      const done = await remedies.find(({ name }) => name === remedy)!.apply(state, tools, found);
      if (!done) throw this.options.problem(`the recipe's step ${remedy} finds nothing to do here`);
      state = done.state;
      this.recipe.push({ remedy, found });
      this.note(remedy, done.summary, await this.options.score(state), true);
    }
    return state;
  }
}

/**
 * The remedies that are named.
 *
 * @throws {TypeError} if there is none of a name, or one is named twice.
 */
export function remediesNamed<S, T>(
  where: string,
  all: readonly RemedyOf<S, T>[],
  names: readonly string[] | undefined,
): readonly RemedyOf<S, T>[] {
  if (names !== undefined && !Array.isArray(names)) {
    throw new TypeError(
      `${where}: remedies must be a list of names such as ["bias"], got ${given(names)}`,
    );
  }
  return names?.map((name, i) => {
    const remedy = all.find((each) => each.name === name);
    if (!remedy) {
      throw new TypeError(
        `${where}: there is no remedy ${JSON.stringify(name)}; there are ${
          all.map(({ name }) => name).join(", ")
        }`,
      );
    }
    if (names.indexOf(name) !== i) {
      throw new TypeError(`${where}: the remedy ${JSON.stringify(name)} is named twice`);
    }
    return remedy;
  }) ?? all;
}

/** @throws {TypeError | RangeError} if a target or a limit is none. */
export function checkGoal(where: string, target: unknown, budget: TuneBudget): void {
  if (target !== undefined && !Number.isFinite(target)) {
    throw new RangeError(
      `${where}: the target is ${given(target)}; give what the metric is to reach`,
    );
  }
  checkOptions(`${where}: budget`, budget, ["seconds", "bytes", "latency"]);
  for (const [name, limit] of Object.entries(budget)) {
    if (limit === undefined || typeof limit === "number" && limit > 0) continue;
    throw new RangeError(`${where}: budget.${name} is ${given(limit)}; give a number above 0`);
  }
}

/** What to say of held-out samples that were calibrated on. */
export function sharedSamples(both: number, heldOut: number): string {
  return `${both} of the ${heldOut} held-out samples are calibration samples too; what is judged on ` +
    `them is better than it will be`;
}
