/**
 * How well texts were read.
 *
 * @module
 */

/** The fewest characters to insert, remove or replace that turn one text into the other. */
export function editDistance(from: string, to: string): number {
  const [a, b] = [[...from], [...to]];
  let row = b.map((_, j) => j + 1);
  a.forEach((character, i) => {
    const next: number[] = [];
    b.forEach((other, j) => {
      const diagonal = j === 0 ? i : row[j - 1];
      const left = j === 0 ? i + 1 : next[j - 1];
      next.push(Math.min(diagonal + (character === other ? 0 : 1), left + 1, row[j] + 1));
    });
    row = next;
  });
  return b.length === 0 ? a.length : row[b.length - 1];
}

/** How well lines were read. */
export interface ReadingScore {
  /** The share of lines without an error. */
  readonly exact: number;
  /** 1 − errors / characters, over all lines. */
  readonly characters: number;
}

/** Compares what was read with what stands there. */
export function readingScore(read: readonly string[], written: readonly string[]): ReadingScore {
  const errors = read.map((text, i) => editDistance(text, written[i]));
  const length = written.reduce((sum, text) => sum + [...text].length, 0);
  return {
    exact: errors.filter((count) => count === 0).length / read.length,
    characters: 1 - errors.reduce((sum, count) => sum + count, 0) / length,
  };
}
