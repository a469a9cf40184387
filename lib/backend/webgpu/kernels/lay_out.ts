/**
 * WGSL as people read it: a statement a line, indented by the braces around it.
 *
 * @module
 */

/** What a line may end at, and brackets, within which it does not. */
const MARKS = /\/\/.*|\} *else\b|[\n;{}()[\]]/g;

/**
 * Lays a text out. Kernels are put together from pieces that do not know how deep they will stand,
 * nor whether a line of theirs is the only one.
 */
export function layOut(wgsl: string): string {
  const lines: string[] = [];
  let line = "";
  let depth = 0;
  /** How many brackets are open, within which a semicolon ends no statement. */
  let brackets = 0;
  /** Whether a line goes on with what the one before it began. */
  let continues = false;
  const end = () => {
    const text = line.trim();
    line = "";
    if (!text) return;
    const deeper = continues && !"}])".includes(text[0]) ? 1 : 0;
    const apart = depth === 0 && /^(fn|struct|@compute)\b/.test(text);
    if (apart && lines.length > 0 && !/^$|^@compute|^\/\//.test(lines.at(-1)!)) lines.push("");
    lines.push("  ".repeat(depth + deeper) + text);
    continues = brackets > 0 || !/[{};,]$|^@|^\/\//.test(text);
  };
  let after = 0;
  for (const { 0: mark, index } of wgsl.matchAll(MARKS)) {
    line += wgsl.slice(after, index);
    after = index + mark.length;
    if (mark.startsWith("//")) {
      line += mark;
      end();
    } else if (mark === "\n") {
      end();
    } else if ("([".includes(mark)) {
      line += mark;
      brackets++;
    } else if (")]".includes(mark)) {
      line += mark;
      brackets--;
    } else if (brackets > 0) {
      line += mark;
    } else if (mark.startsWith("}")) {
      end();
      depth--;
      line = mark;
      if (mark === "}") end();
      if (depth === 0) lines.push("");
    } else {
      line += mark;
      end();
      if (mark === "{") depth++;
    }
  }
  line += wgsl.slice(after);
  end();
  return `${lines.join("\n").trim()}\n`;
}
