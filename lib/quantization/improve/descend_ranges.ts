/**
 * Moving the ends of ranges as long as that pays.
 *
 * @module
 */

/** The ends of a range. */
export interface Ends {
  /** The lower end. */
  readonly min: number;
  /** The upper end. */
  readonly max: number;
}

/** A range that can be moved. */
export interface MovableRange {
  /** Where its ends are, as scales have them. */
  ends(): Ends;
  /** Moves its ends; gives what takes them back. */
  move(range: Ends): () => void;
}

/** What bounds a descent. */
export interface DescentLimits {
  /** Of how many numbers the noise is made up: of few it is another by chance, so that the best of many tries says little. */
  readonly count?: number;
  /** How often all are gone through, as long as that pays; once by default. What little of the noise hid pays later. */
  readonly rounds?: number;
  /** Whether no range more is to be moved. */
  readonly isOver?: () => boolean;
}

/** What is tried of each end of a range, one after the other. */
const FACTORS = [0.8, 0.9, 1.15] as const;
/** How often the noise is measured at most: each time takes as long as there are ranges, of which none is begun then. */
const MOST_MEASURED = 2048;
/** How often a change that pays is made once more. */
const MOST_STEPS = 4;
/** A change pays from this share of the noise on, and where that is measured of few numbers, from what chance makes of it. */
const LEAST_SHARE = 5e-3;
/** The variance of the square of one number's noise, as a share: that of normal ones, half of which two tries have in common. */
const CHANCE = 1;
/** An end that is this much nearer to 0 than the other is left as it is. */
const NEAR = 0.02;

/**
 * Moves the ends of each range as long as that pays, from the first to the last, so that those behind make up for those
 * before.
 *
 * @param noise what is to be little, with the ranges as they are.
 * @param symmetric whether both ends are moved together.
 * @param limits what is known of the noise, and when to end.
 * @returns the noise before and after.
 */
export async function descendRanges(
  ranges: readonly MovableRange[],
  noise: () => Promise<number>,
  symmetric: boolean,
  { count = Infinity, rounds = 1, isOver = () => false }: DescentLimits = {},
): Promise<{ before: number; after: number }> {
  const least = Math.max(LEAST_SHARE, Math.sqrt(CHANCE / count));
  let measured = 0;
  const measure = () => {
    measured++;
    return noise();
  };
  let best = await measure();
  const before = best;
  const descend = async (range: MovableRange, end: "max" | "min" | "both") => {
    for (const factor of FACTORS) {
      const ends = range.ends();
      const near = end !== "both" && Math.abs(ends[end]) <= NEAR * (ends.max - ends.min);
      if (near) return;
      let steps = 0;
      for (; steps < MOST_STEPS; steps++) {
        const now = range.ends();
        const undo = range.move(
          end === "both"
            ? { min: now.min * factor, max: now.max * factor }
            : { ...now, [end]: now[end] * factor },
        );
        const reached = await measure();
        if (reached < best * (1 - least)) {
          best = reached;
          continue;
        }
        undo();
        break;
      }
      if (steps > 0) return; // the other way would lead back
    }
  };
  for (let round = 0; round < rounds; round++) {
    const first = best;
    for (const range of ranges) {
      if (measured >= MOST_MEASURED || isOver()) return { before, after: best };
      for (const end of symmetric ? ["both"] as const : ["max", "min"] as const) {
        await descend(range, end);
      }
    }
    if (best === first) break;
  }
  return { before, after: best };
}
