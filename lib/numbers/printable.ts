/**
 * Text from outside, as it may stand on a terminal: names in a file can hold what moves the cursor, sets the
 * window's title or turns the direction of writing.
 *
 * @module
 */

/** Controls of both sets, separators of lines and paragraphs, marks and overrides of direction. */
const STEERING =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One line of text with all that steers a terminal spelled out, as `\u001b`; inside of JSON the same text. */
export function printable(line: string): string {
  return line.replace(STEERING, escaped);
}

/** The same for text of several lines: line ends and tabs stay. */
export function printableText(text: string): string {
  return text.replace(STEERING, (char) => char === "\n" || char === "\t" ? char : escaped(char));
}

/** A name for a message: in quotes, all that steers a terminal spelled out. */
export function quote(name: string): string {
  return printable(JSON.stringify(name));
}
