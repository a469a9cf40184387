/**
 * Finding who is to blame.
 *
 * @module
 */

/**
 * Few of some suspects without whom all is well, which it is not with all of them. Each takes about log₂ n trials
 * to find.
 *
 * @param suspects those who are best left out first.
 * @param fine whether all is well without these; supposed to stay so without more of them.
 * @param most how many to look for; if more are to blame, all are.
 * @returns in the order of the suspects; nothing if even without all of them it is not.
 */
export async function bisect<T>(
  suspects: readonly T[],
  fine: (without: readonly T[]) => Promise<boolean>,
  most: number = Infinity,
): Promise<T[] | undefined> {
  if (!await fine(suspects)) return undefined;
  const found: T[] = [];
  let rest = suspects;
  // Without `rest` and `found` all is well, every time.
  while (rest.length > 0 && (found.length === 0 || !await fine(found))) {
    if (found.length === most) return [...suspects];
    let [low, high] = [0, rest.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (await fine([...rest.slice(0, middle), ...found])) high = middle;
      else low = middle;
    }
    found.unshift(rest[high - 1]);
    rest = rest.slice(0, high - 1);
  }
  return found;
}
