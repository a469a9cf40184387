/** How much of a noise comes from one source. */
export interface NoiseShare {
  /** The noise that it makes alone. */
  readonly noise: number;
  /** Whether that is its share of what a group makes, not measured by itself. */
  readonly estimated: boolean;
}

/** Sources next to each other, and the noise they make together. */
interface Group {
  readonly from: number;
  readonly to: number;
  readonly noise: number;
}

/**
 * Finds how much noise each of many sources makes alone, with so many measurements at most: one each if they
 * suffice. Else sources next to each other are measured together, and the loudest groups are halved time and
 * again; in the groups that are left each source has an equal share. That is right as far as noises add up, which
 * those of independent roundings do. The time grows with what a measurement takes, not with their number.
 *
 * @param count how many sources there are.
 * @param most measurements at most; 2 or more.
 * @param measure the noise that some sources make together.
 * @returns a share for each source, in their order.
 */
export async function noiseShares(
  count: number,
  most: number,
  measure: (sources: readonly number[]) => Promise<number>,
): Promise<NoiseShare[]> {
  let left = most;
  const group = async (from: number, to: number): Promise<Group> => {
    left--;
    const noise = await measure(Array.from({ length: to - from }, (_, i) => from + i));
    return { from, to, noise };
  };
  const groups: Group[] = [];
  const first = Math.min(count, count > most ? most >> 1 : most);
  for (let i = 0; i < first; i++) {
    const [from, to] = [i, i + 1].map((at) => Math.floor(at * count / first));
    groups.push(await group(from, to));
  }
  while (left >= 2) {
    const open = groups.filter(({ from, to }) => to - from > 1);
    if (open.length === 0) break;
    const loudest = open.reduce((a, b) => b.noise > a.noise ? b : a);
    const middle = (loudest.from + loudest.to) >> 1;
    const halves = [await group(loudest.from, middle), await group(middle, loudest.to)];
    groups.splice(groups.indexOf(loudest), 1, ...halves);
  }
  return groups.flatMap(({ from, to, noise }) =>
    Array.from({ length: to - from }, () => ({
      noise: noise / (to - from),
      estimated: to - from > 1,
    }))
  );
}
