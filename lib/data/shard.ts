/**
 * Lists of samples that are shared out.
 *
 * @module
 */

/** A share of a list of samples: those whose place, counted from 0, leaves `index` when divided by `of`. */
export interface Shard {
  /** Which share, from 0 to `of − 1`. */
  readonly index: number;
  /** How many shares there are. */
  readonly of: number;
}

/** The most shares of a list: as many samples as a calibration takes. */
const MOST_SHARDS = 2 ** 31 - 1;

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

/** How many of so many samples are in a share. */
export function shareOf(samples: number, { index, of }: Shard): number {
  return Math.max(Math.ceil((samples - index) / of), 0);
}

/** Goes along a list of samples and tells which are wanted: those of a share, among so many at most. */
export class Picker {
  private place = 0;
  private picked = 0;

  /** At the start of a list. */
  constructor(private readonly shard: Shard, private readonly limit: number) {}

  /** Whether the next sample is wanted; moves behind it. */
  take(): boolean {
    const { index, of } = this.shard;
    const wanted = !this.done && this.place % of === index;
    this.place++;
    if (wanted) this.picked++;
    return wanted;
  }

  /** Whether none of the samples to come is wanted. */
  get done(): boolean {
    return this.place >= this.limit;
  }

  /** Samples that were gone along, and how many of them were wanted. */
  get counts(): { readonly seen: number; readonly picked: number } {
    return { seen: Math.min(this.place, this.limit), picked: this.picked };
  }
}
