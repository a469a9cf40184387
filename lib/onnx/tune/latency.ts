/**
 * How long a model takes beside another.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";

/** Rounds in which both take turns. */
const ROUNDS = 9;
/** What a round takes of each at least, in milliseconds. */
const LEAST_MS = 20;

/**
 * The time that a model takes as a share of another's, with one thread: both take turns, and the median of the rounds'
 * ratios counts, so that what else the machine does falls on both.
 */
export async function latencyShare(
  where: string,
  model: OnnxModel,
  other: OnnxModel,
  feeds: OnnxFeeds,
): Promise<number> {
  await using a = await OnnxRuntime.open(where, model, { threads: 1 });
  await using b = await OnnxRuntime.open(where, other, { threads: 1 });
  const time = async (runtime: OnnxRuntime) => {
    const start = performance.now();
    let runs = 0;
    do {
      await runtime.run(feeds);
      runs++;
    } while (performance.now() - start < LEAST_MS);
    return (performance.now() - start) / runs;
  };
  for (const runtime of [a, b]) await runtime.run(feeds);
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) ratios.push(await time(a) / await time(b));
  return ratios.sort((x, y) => x - y)[ROUNDS >> 1];
}
