/**
 * How long something takes beside something else.
 *
 * @module
 */

/** Rounds in which both take turns, and those after which what is clear is not asked further. */
const ROUNDS = { all: 11, few: 3 } as const;
/** What a round takes of each at least, in milliseconds: less is enough for so many runs. */
const LEAST = { ms: 8, quick: { ms: 4, runs: 10 } } as const;

/** The shares between which it matters what a share is exactly. */
export interface InDoubt {
  /** What is less is clearly faster. */
  readonly from: number;
  /** What is more is clearly slower. */
  readonly to: number;
}

/** What is clearly slower than the other is not asked how much. */
const UNLESS_SLOWER: InDoubt = { from: 0, to: 1.05 };

/** The number in the middle. */
function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Milliseconds of each run of a round. */
async function timesOf(run: () => Promise<unknown>, clock: () => number): Promise<number[]> {
  const times: number[] = [];
  const start = clock();
  const isEnough = (ms: number) =>
    ms >= LEAST.ms || ms >= LEAST.quick.ms && times.length >= LEAST.quick.runs;
  for (let now = start; !isEnough(now - start);) {
    await run();
    const then = clock();
    times.push(then - now);
    now = then;
  }
  return times;
}

/**
 * The time that something takes as a share of another's. They take turns, so that what else the machine does falls on
 * both, and two shares must agree: the median of the rounds', and that of the fastest runs, which nothing disturbed; the
 * larger counts.
 *
 * @param clock tells milliseconds.
 * @param doubt between which shares it matters what it is exactly: that it is outside fewer rounds tell.
 */
export async function timeInTurns(
  own: () => Promise<unknown>,
  other: () => Promise<unknown>,
  clock: () => number,
  doubt: InDoubt = UNLESS_SLOWER,
): Promise<number> {
  for (const run of [own, other]) await run();
  const ratios: number[] = [];
  const least = [Infinity, Infinity];
  const share = () => Math.max(middle(ratios), least[0] / least[1]);
  while (ratios.length < ROUNDS.all) {
    const rounds = [await timesOf(own, clock), await timesOf(other, clock)];
    rounds.forEach((times, i) => least[i] = Math.min(least[i], ...times));
    const [a, b] = rounds.map(middle);
    ratios.push(a / b);
    if (ratios.length === ROUNDS.few && (share() > doubt.to || share() < doubt.from)) break;
  }
  return share();
}
