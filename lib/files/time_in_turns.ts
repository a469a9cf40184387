/**
 * How long something takes beside something else.
 *
 * @module
 */

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

/** Milliseconds of each run of a round. */
async function timesOf(run: () => Promise<unknown>, clock: () => number): Promise<number[]> {
  const times: number[] = [];
  const start = clock();
  for (let now = start; now - start < LEAST_MS;) {
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
 * @param hopeless a share from which on it does not matter how much slower it is: fewer rounds tell that.
 */
export async function timeInTurns(
  own: () => Promise<unknown>,
  other: () => Promise<unknown>,
  clock: () => number,
  hopeless: number = CLEARLY,
): Promise<number> {
  for (const run of [own, other]) await run();
  const ratios: number[] = [];
  const least = [Infinity, Infinity];
  while (ratios.length < ROUNDS.all) {
    const rounds = [await timesOf(own, clock), await timesOf(other, clock)];
    rounds.forEach((times, i) => least[i] = Math.min(least[i], ...times));
    const [a, b] = rounds.map(middle);
    ratios.push(a / b);
    if (ratios.length === ROUNDS.few && middle(ratios) > hopeless) break;
  }
  return Math.max(middle(ratios), least[0] / least[1]);
}
