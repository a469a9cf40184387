/**
 * Lists of samples that are shared out.
 *
 * @module
 */
import type { OnnxFeeds } from "../run/runtime.ts";

/** A share of a list of samples: those whose place, counted from 0, leaves `index` when divided by `of`. */
export interface Shard {
  /** Which share, from 0 to `of − 1`. */
  readonly index: number;
  /** How many shares there are. */
  readonly of: number;
}

/** The most shares of a list: as many samples as a calibration takes. */
export const MOST_SHARDS = 2 ** 31 - 1;

/** Samples, one after the other. */
export type OnnxSamples = Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds>;

/**
 * Samples of which others are not read: a function that gives only those of a share, in the order of the list; of
 * all without one.
 */
export type ShardedSamples = (shard: Shard | undefined) => OnnxSamples;

/** Throws a RangeError unless there is such a share. */
export function checkShard(where: string, { index, of }: Shard): void {
  const isCount = (n: unknown) => Number.isInteger(n) && (n as number) >= 0;
  if (!isCount(of) || of < 1 || of > MOST_SHARDS) {
    throw new RangeError(`${where}: ${of} shards cannot be; give a whole number of at least 1`);
  }
  if (isCount(index) && index < of) return;
  throw new RangeError(
    `${where}: there is no shard ${index} of ${of}; they are counted from 0 to ${of - 1}`,
  );
}

/** A share in words, as the command line has it. */
export function showShard({ index, of }: Shard): string {
  return `shard ${index}/${of}`;
}
