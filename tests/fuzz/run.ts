/** Spoiling files of one kind and looking at what becomes of them. */
import { DataError, OnnxError, SafetensorsError, StateError } from "../../mod.ts";
import { KINDS } from "./kinds.ts";
import { Random } from "./random.ts";

/** What came of the inputs of a kind. */
export interface Outcome {
  readonly kind: string;
  readonly inputs: number;
  /** Those that were read; a change may do no harm. */
  readonly read: number;
  /** Those that an error of the library's own refused. */
  readonly refused: number;
  /** What went wrong: another error, more than two seconds, more than a gigabyte. */
  readonly faults: readonly string[];
  /** The longest that one took, in ms. */
  readonly longest: number;
}

/** What an input may take. */
const LIMITS = { ms: 2000, bytes: 2 ** 30, message: 5000 };

/** The errors that hostile files may end with. */
const TYPED = [OnnxError, DataError, SafetensorsError, StateError];

/** Options of {@linkcode fuzz}. */
export interface FuzzOptions {
  readonly seed: number;
  /** Whether to go on after this many inputs and ms. */
  readonly more: (inputs: number, ms: number) => boolean;
  /** Hears of each input before it is read. */
  readonly onInput?: (index: number, bytes: Uint8Array) => void;
}

/** Spoils files of a kind and reads them. An input depends on the seed and its number alone. */
export async function fuzz(kind: string, { seed, more, onInput }: FuzzOptions): Promise<Outcome> {
  const folder = Deno.makeTempDirSync({ prefix: "fuzz-" });
  const faults: string[] = [];
  let [inputs, read, refused, longest] = [0, 0, 0, 0];
  try {
    const { spoil, read: look } = await KINDS[kind]({ folder });
    const start = performance.now();
    for (; more(inputs, performance.now() - start); inputs++) {
      const bytes = await spoil(new Random(seed * 1_000_003 + inputs));
      onInput?.(inputs, bytes);
      const [memory, began] = [Deno.memoryUsage().rss, performance.now()];
      try {
        await look(bytes);
        read++;
      } catch (error) {
        const problem = problemWith(error);
        if (problem) faults.push(`${kind} ${inputs}: ${problem}`);
        else refused++;
      }
      const took = performance.now() - began;
      longest = Math.max(longest, took);
      if (took > LIMITS.ms) faults.push(`${kind} ${inputs}: took ${Math.round(took)} ms`);
      const more = Deno.memoryUsage().rss - memory;
      if (more > LIMITS.bytes) faults.push(`${kind} ${inputs}: took ${more >> 20} MiB`);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  return { kind, inputs, read, refused, faults, longest };
}

/** What is wrong with an error; nothing if it is as it should be. */
function problemWith(error: unknown): string | undefined {
  if (!TYPED.some((type) => error instanceof type)) {
    return `an error without a type: ${error instanceof Error ? error.stack : error}`;
  }
  const { message } = error as Error;
  if (message.length > LIMITS.message) return `a message of ${message.length} characters`;
  // Lists of what is wrong have lines.
  const moves = [...message].find((char) => char < " " && char !== "\n");
  if (moves !== undefined) return `a message with a control character: ${JSON.stringify(message)}`;
}
