/**
 * Timing that a noisy machine cannot fool much: the candidates take turns, round after round, and
 * what counts is each one's median and its ratio to another's.
 *
 * @module
 */
import { processorTime } from "../lib/files/processor_time.ts";
import type { DeviceClock } from "./device_clock.ts";

/** Something to time. */
export interface Candidate {
  readonly name: string;
  /** Starts the work once. */
  readonly run: () => void;
  /**
   * Waits until all that was started is done. What runs in another process tells the milliseconds
   * that it took by its own clock.
   */
  readonly finish: () => Promise<void | number>;
  /** Frees what the candidate holds. */
  readonly dispose?: () => void | Promise<void>;
}

/** Milliseconds a run: the median over rounds and the quartiles around it. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /**
   * The median of the milliseconds of processors that this process took: what a software adapter is best judged by
   * where others keep the machine busy.
   */
  readonly processor: number;
  /** How many rounds it took part in. */
  readonly rounds: number;
  /** The median time in compute passes, where the device has timestamps. */
  readonly device: number | undefined;
}

/** Options of {@linkcode measure}. */
export interface MeasureOptions {
  /** How often the candidates take turns; 7 by default. */
  rounds?: number;
  /** How long a turn lasts at least, in milliseconds; 300 by default. */
  roundMs?: number;
  /** What a slow candidate may take in all, in milliseconds; beyond it, it sits rounds out. */
  budgetMs?: number;
  /** Reads the device's timestamps. */
  clock?: DeviceClock;
  /** Hears of a candidate that fails at first, which is left out; if not given, the error is thrown. */
  failed?: (name: string, error: unknown) => void;
}

/** Rounds that even the slowest candidate takes part in. */
const FEWEST_ROUNDS = 3;
const MOST_REPEATS = 2000;
/** Threads that spin for more work come to rest in this time. */
const REST_MS = 20;

const rest = () => new Promise((resolve) => setTimeout(resolve, REST_MS));

/** Milliseconds of `repeats` runs. */
async function time({ run, finish }: Candidate, repeats: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) run();
  const own = await finish();
  return own ?? performance.now() - start;
}

/** Milliseconds of one run, about. The first one compiles, and counts only if it is very long. */
async function estimate(candidate: Candidate): Promise<number> {
  let repeats = 1;
  let elapsed = await time(candidate, repeats);
  if (elapsed < 5000) elapsed = await time(candidate, repeats);
  while (elapsed < 60 && repeats < MOST_REPEATS) {
    repeats *= 4;
    elapsed = await time(candidate, repeats);
  }
  return elapsed / repeats;
}

/** The numbers at shares of the sorted ones. */
export function quantiles(values: readonly number[], ...shares: number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
}

/**
 * Times each candidate in turn, round after round. Deno polls a device every 10 ms while it waits,
 * so each turn starts as many runs as fill `roundMs`, and waits once.
 */
export async function measure(
  candidates: readonly Candidate[],
  options: MeasureOptions = {},
): Promise<Timing[]> {
  const { rounds = 7, roundMs = 300, budgetMs = Infinity, clock } = options;
  const plans: { candidate: Candidate; repeats: number; turns: number }[] = [];
  for (const candidate of candidates) {
    let once: number;
    try {
      once = await estimate(candidate);
    } catch (error) {
      if (!options.failed) throw error;
      options.failed(candidate.name, error);
      continue;
    }
    const repeats = Math.min(MOST_REPEATS, Math.ceil(roundMs / once));
    const affordable = Math.max(FEWEST_ROUNDS, Math.floor(budgetMs / (repeats * once)));
    plans.push({ candidate, repeats, turns: Math.min(rounds, affordable) });
  }
  const wall: number[][] = plans.map(() => []);
  const processor: number[][] = plans.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { candidate, repeats, turns }] of plans.entries()) {
      // Spreads the turns evenly over the rounds.
      if (Math.floor((round + 1) * turns / rounds) === Math.floor(round * turns / rounds)) continue;
      await rest();
      const before = processorTime();
      wall[i].push(await time(candidate, repeats) / repeats);
      processor[i].push((processorTime() - before) / repeats);
    }
  }
  // Timestamps cost something themselves, so the device's time gets rounds of its own.
  const device: number[][] = plans.map(() => []);
  for (let round = 0; clock && round < FEWEST_ROUNDS; round++) {
    for (const [i, { candidate, repeats, turns }] of plans.entries()) {
      if (round > 0 && (turns < rounds || device[i].length === 0)) continue;
      await rest();
      clock.start();
      await time(candidate, repeats);
      const passes = await clock.stop();
      if (passes !== undefined) device[i].push(passes / repeats);
    }
  }
  return plans.map(({ candidate: { name } }, i) => {
    const [low, median, high] = quantiles(wall[i], 0.25, 0.5, 0.75);
    const [inPasses] = quantiles(device[i], 0.5);
    const [inProcessor] = quantiles(processor[i], 0.5);
    const rounds = wall[i].length;
    return { name, median, low, high, processor: inProcessor, rounds, device: inPasses };
  });
}
