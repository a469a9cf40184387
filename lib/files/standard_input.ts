/**
 * What another program writes to this one.
 *
 * @module
 */
import { FileProblem } from "./file_problem.ts";
import { theProcess } from "./host.ts";

/** The longest line, in characters: longer than any path or URL. */
const MAX_LINE = 1 << 16;

/**
 * The lines of standard input, as they come; empty ones are passed over.
 *
 * @throws {FileProblem} if one is longer than a path can be, or they are no text.
 */
export async function* inputLines(
  input: AsyncIterable<Uint8Array> = theProcess().stdin,
): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const bytes of input) {
    rest += decoded(decoder, bytes);
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of [...lines, ...rest.length > MAX_LINE ? [rest] : []]) yield* checked(line);
  }
  yield* checked(rest + decoded(decoder));
}

function decoded(decoder: TextDecoder, bytes?: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined });
  } catch {
    throw new FileProblem("it is not UTF-8 text; write one path a line");
  }
}

function* checked(line: string): Generator<string> {
  if (line.length > MAX_LINE) {
    throw new FileProblem(`a line is longer than ${MAX_LINE} characters; write one path a line`);
  }
  const path = line.replace(/\r$/, "");
  if (path.trim() !== "") yield path;
}
