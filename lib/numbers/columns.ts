/**
 * How wide text is where every character takes one column or two.
 *
 * @module
 */

/** Characters of Chinese, Japanese and Korean, full-width forms and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Characters that stand on the one before them. */
const NARROW = /[\p{Mn}\p{Me}\u200b-\u200d]/u;

function columnsOf(char: string): number {
  return WIDE.test(char) ? 2 : NARROW.test(char) ? 0 : 1;
}

/** The columns that a line of text takes on a terminal. */
export function columns(text: string): number {
  let sum = 0;
  for (const char of text) sum += columnsOf(char);
  return sum;
}

/** As much of a line as fits into some columns, with a sign at its end where something is missing. */
export function shortened(text: string, most: number): string {
  if (columns(text) <= most) return text;
  let kept = "";
  let room = most - 1;
  for (const char of text) {
    room -= columnsOf(char);
    if (room < 0) break;
    kept += char;
  }
  return `${kept}…`;
}

/**
 * A line as several of at most some columns, cut between words.
 *
 * @param cut whether a word that is longer than a line is cut too, which no one can copy then.
 */
export function wrapped(text: string, most: number, cut: boolean): string[] {
  if (columns(text) <= most) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (columns(joined) <= most) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    line = cut ? "" : word;
    for (const char of cut ? word : "") {
      if (columns(line + char) > most) {
        lines.push(line);
        line = "";
      }
      line += char;
    }
  }
  return [...lines, line];
}
