/**
 * How long a model takes beside another.
 *
 * @module
 */
import { processorTime } from "../../files/processor_time.ts";
import { type InDoubt, timeInTurns } from "../../files/time_in_turns.ts";
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, OnnxRuntime } from "./runtime.ts";

/** What a share may be off after a few rounds. */
const NOISE = 0.03;

/**
 * Sessions of the first model, of which the fastest is kept: where its memory happens to lie makes small models differ by a
 * quarter, and all others would seem as much faster as it is slower.
 */
const SESSIONS = 3;

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
    const open = () => OnnxRuntime.open(where, first, { threads: 1 });
    let best = await open();
    for (let i = 1; i < SESSIONS; i++) {
      const other = await open();
      const share = await timeInTurns(() => other.run(feeds), () => best.run(feeds), clock);
      const loser = share < 1 ? best : other;
      if (share < 1) best = other;
      await loser.release();
    }
    return new Race(where, best, feeds, clock);
  }

  /**
   * The time that a model takes as a share of the best one's, by {@linkcode timeInTurns}. If it is less than `worth`, the model is the best from then on.
   *
   * @param doubt between which shares it matters what it is exactly; by default those that are not clearly more than `worth`.
   */
  async run(model: OnnxModel, worth: number, doubt?: InDoubt): Promise<number> {
    const runtime = await OnnxRuntime.open(this.where, model, { threads: 1 });
    let loser = runtime;
    try {
      const { best, feeds, clock } = this;
      const [own, other] = [() => runtime.run(feeds), () => best.run(feeds)];
      const least = worth > 0 ? { from: 0, to: worth + NOISE } : undefined;
      const share = await timeInTurns(own, other, clock, doubt ?? least);
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
