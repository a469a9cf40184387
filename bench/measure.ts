/**
 * Timing that a noisy machine cannot fool much: the candidates take turns, round after round, and
 * what counts is each one's median and its ratio to another's.
 *
 * @module
 */

/** Something to time. */
export interface Candidate {
  readonly name: string;
  /** Starts the work once. */
  readonly run: () => void;
  /** Waits until all that was started is done. */
  readonly finish: () => Promise<void>;
}

/** Milliseconds a run: the median over rounds and the quartiles around it. */
export interface Timing {
  readonly name: string;
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Times each candidate in turn, `rounds` times. Deno polls a device every 10 ms while it waits, so
 * each round starts as many runs as fill about `roundMs`, and waits once.
 */
export async function measure(
  candidates: readonly Candidate[],
  { rounds = 7, roundMs = 300 } = {},
): Promise<Timing[]> {
  const once = async ({ run, finish }: Candidate, repeats: number) => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run();
    await finish();
    return (performance.now() - start) / repeats;
  };
  const repeats: number[] = [];
  for (const candidate of candidates) {
    await once(candidate, 1); // compiles
    const few = await once(candidate, 4);
    repeats.push(Math.min(200, Math.max(4, Math.round(roundMs / few))));
  }
  const times: number[][] = candidates.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, candidate] of candidates.entries()) {
      times[i].push(await once(candidate, repeats[i]));
    }
  }
  return candidates.map(({ name }, i) => {
    const sorted = times[i].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))];
    return { name, median: at(0.5), low: at(0.25), high: at(0.75) };
  });
}
