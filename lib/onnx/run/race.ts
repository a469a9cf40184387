/**
 * How long a model takes beside another.
 *
 * @module
 */
import { processorTime } from "../../files/processor_time.ts";
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, OnnxRuntime } from "./runtime.ts";

/** Rounds in which both take turns, and those after which what is clearly slower is given up. */
const ROUNDS = { all: 11, few: 3 } as const;
/** What is clearly slower takes this share of the other's time. */
const CLEARLY = 1.05;
/** What a round takes of each at least, in milliseconds. */
const LEAST_MS = 8;

/** The number in the middle. */
function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** A model that others are timed beside, and then perhaps one of them in its place. */
export class Race implements AsyncDisposable {
  private constructor(
    private readonly where: string,
    private best: OnnxRuntime,
    private readonly feeds: OnnxFeeds,
    private readonly clock: () => number,
  ) {}

  /**
   * Opens the first model, for one thread.
   *
   * @param where opens the errors.
   * @param feeds what all are run on.
   * @param clock tells milliseconds; by default those of the processor, for sessions have one thread.
   */
  static async open(
    where: string,
    first: OnnxModel,
    feeds: OnnxFeeds,
    clock: () => number = processorTime,
  ): Promise<Race> {
    return new Race(where, await OnnxRuntime.open(where, first, { threads: 1 }), feeds, clock);
  }

  /** Milliseconds of each run of a round. */
  private async time(runtime: OnnxRuntime): Promise<number[]> {
    const times: number[] = [];
    const start = this.clock();
    for (let now = start; now - start < LEAST_MS;) {
      await runtime.run(this.feeds);
      const then = this.clock();
      times.push(then - now);
      now = then;
    }
    return times;
  }

  /**
   * The time that a model takes as a share of the best one's. They take turns, so that what else the machine does falls
   * on both, and two shares must agree: the median of the rounds', and that of the fastest runs, which nothing
   * disturbed; the larger counts. If it is less than `worth`, the model is the best from then on.
   */
  async run(model: OnnxModel, worth: number): Promise<number> {
    const runtime = await OnnxRuntime.open(this.where, model, { threads: 1 });
    let loser = runtime;
    try {
      for (const each of [runtime, this.best]) await each.run(this.feeds);
      const ratios: number[] = [];
      const least = [Infinity, Infinity];
      while (ratios.length < ROUNDS.all) {
        const rounds = [await this.time(runtime), await this.time(this.best)];
        rounds.forEach((times, i) => least[i] = Math.min(least[i], ...times));
        const [own, other] = rounds.map(middle);
        ratios.push(own / other);
        if (ratios.length === ROUNDS.few && middle(ratios) > CLEARLY) break;
      }
      const share = Math.max(middle(ratios), least[0] / least[1]);
      if (share < worth) [loser, this.best] = [this.best, runtime];
      return share;
    } finally {
      await loser.release();
    }
  }

  /** Frees the best one's session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.best.release();
  }
}

/**
 * The time that a model takes as a share of another's, with one thread; see {@linkcode Race.run}.
 *
 * @param where opens the errors.
 */
export async function timeShare(
  where: string,
  model: OnnxModel,
  other: OnnxModel,
  feeds: OnnxFeeds,
): Promise<number> {
  await using race = await Race.open(where, other, feeds);
  return await race.run(model, 0);
}
