/**
 * Names with wildcards.
 *
 * @module
 */

/** Whether a pattern has wildcards. */
export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/**
 * Whether a name matches a pattern: `*` stands for any characters, `?` for one. Takes time in proportion
 * to both lengths, whatever they hold.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  let [p, n] = [0, 0];
  // Where the last star stands, and the first character that it may not have swallowed yet.
  let [star, mark] = [-1, 0];
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      mark = n;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
