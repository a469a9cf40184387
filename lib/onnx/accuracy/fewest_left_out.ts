/** A name and how much noise it makes alone: the inverse of its SQNR as a ratio, `10^(−SQNR/10)`. */
export interface NoiseSource {
  readonly name: string;
  readonly noise: number;
}

/** Tries to let sources come back, at most. */
const MOST_TRIES = 128;

/** What {@linkcode fewestLeftOut} found. */
export interface LeftOut {
  /** The names to leave out, the noisiest first. */
  readonly names: readonly string[];
  /** What is reached without them, in dB. */
  readonly sqnr: number;
}

/**
 * Finds few sources of noise whose absence lets a target be met. It starts where the sum of what they make
 * alone says, finds by bisection how many of the noisiest must go, and then lets each of these come
 * back that can, the quietest first, several at once while that goes well; after many tries the rest stay out. The
 * result meets the target unless leaving all out does not; fewer may do where sources cancel each other.
 *
 * @param sources the noisiest first.
 * @param target SQNR to reach, in dB.
 * @param measure the SQNR without these, in dB.
 */
export async function fewestLeftOut(
  sources: readonly NoiseSource[],
  target: number,
  measure: (leftOut: ReadonlySet<string>) => Promise<number>,
): Promise<LeftOut> {
  const known = new Map<number, number>();
  const first = (count: number) => sources.slice(0, count).map(({ name }) => name);
  const without = async (count: number) => {
    const sqnr = known.get(count) ?? await measure(new Set(first(count)));
    known.set(count, sqnr);
    return sqnr;
  };
  if (await without(0) >= target) return { names: [], sqnr: await without(0) };
  // Alone they may make more or less than together; what they make together is known.
  const all = 10 ** (-await without(0) / 10);
  const alone = sources.reduce((sum, { noise }) => sum + noise, 0);
  const allowed = 10 ** (-target / 10) * (alone / all);
  let rest = alone;
  let guess = 0;
  while (guess < sources.length && !(rest <= allowed)) rest -= sources[guess++].noise;
  // Widen from the guess until it lies between too few and enough, then halve.
  let [low, high] = [0, sources.length];
  let reach = 1;
  for (let at = Math.min(Math.max(guess, 1), high); low + 1 < high;) {
    if (await without(at) >= target) high = at;
    else low = at;
    const near = high === at ? at - reach : at + reach;
    reach *= 2;
    at = near > low && near < high ? near : (low + high) >> 1;
  }
  let sqnr = await without(high);
  let names = new Set(first(high));
  if (sqnr < target) return { names: [...names], sqnr };
  // The last one is needed, or fewer would have done.
  const back = first(high - 1).reverse();
  let some = 1;
  for (let i = 0, tries = 0; i < back.length && tries < MOST_TRIES; tries++) {
    const fewer = names.difference(new Set(back.slice(i, i + some)));
    const reached = await measure(fewer);
    if (reached >= target) {
      [names, sqnr] = [fewer, reached];
      i += some;
      some *= 2;
    } else if (some === 1) i++;
    else some /= 2;
  }
  return { names: first(high).filter((name) => names.has(name)), sqnr };
}
