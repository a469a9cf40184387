/**
 * Regular expressions as Python's `re` has them.
 *
 * @module
 */

/** Flags that Python writes into the pattern, and what they are here: null for those that change nothing. */
const FLAGS: ReadonlyMap<string, string | null> = new Map([
  ["i", "i"],
  ["m", "m"],
  ["s", "s"],
  ["a", null],
  ["u", null],
]);

/**
 * The expression that matches a whole text where Python's `re.fullmatch` would. Named groups `(?P<n>…)`,
 * references `(?P=n)`, comments `(?#…)`, flags `(?i)` at the start, `\A`, `\Z`, `{,n}` and a `]` that opens a
 * class are translated; the rest is the same in both.
 *
 * @param pattern what stands in Python between the quotes of `r"…"`.
 * @throws {SyntaxError} if it is no expression, or has no like here.
 */
export function pythonFullMatch(pattern: string): RegExp {
  const { source, flags } = withoutFlags(pattern);
  try {
    return new RegExp(`(?<![^])(?:${translated(source)})(?![^])`, flags);
  } catch (error) {
    throw new SyntaxError(
      `the pattern ${JSON.stringify(pattern)} is no regular expression here: ${
        (error as Error).message
      }`,
    );
  }
}

/** The pattern without the flags that it begins with. */
function withoutFlags(pattern: string): { source: string; flags: string } {
  const [start, letters = ""] = /^\(\?([a-zA-Z]+)\)/.exec(pattern) ?? [""];
  const flags = [...new Set(letters)].map((letter) => {
    const flag = FLAGS.get(letter);
    if (flag !== undefined) return flag ?? "";
    throw new SyntaxError(
      `the pattern ${JSON.stringify(pattern)} has the flag ${letter}, which there is not here`,
    );
  });
  return { source: pattern.slice(start.length), flags: flags.join("") };
}

/** What is written otherwise in Python, outside of classes, from the left. */
const SPELLINGS: readonly [RegExp, (match: RegExpExecArray) => string][] = [
  [/\(\?P</y, () => "(?<"],
  [/\(\?P=(\w+)\)/y, ([, name]) => `\\k<${name}>`],
  [/\(\?#[^)]*\)/y, () => "(?:)"],
  [/\\A/y, () => "(?<![^])"],
  [/\\Z/y, () => "(?![^])"],
  [/\{,(\d+)\}/y, ([, most]) => `{0,${most}}`],
  [/\\[^]/y, ([escape]) => escape],
  // A class, whose first letter may be the bracket that would end it.
  [
    /\[(\^?)(\]?)((?:[^\]\\]|\\[^])*)\]/y,
    ([, not, first, rest]) => `[${not}${first && "\\]"}${rest.replaceAll("[", "\\[")}]`,
  ],
];

function translated(source: string): string {
  let result = "";
  for (let at = 0; at < source.length;) {
    let taken = source[at];
    let text = taken;
    for (const [spelling, rewrite] of SPELLINGS) {
      spelling.lastIndex = at;
      const match = spelling.exec(source);
      if (!match) continue;
      [taken, text] = [match[0], rewrite(match)];
      break;
    }
    result += text;
    at += taken.length;
  }
  return result;
}
