/**
 * Other programs, run.
 *
 * @module
 */
import { builtin } from "./builtins.ts";

/** What a program may print at most, in characters. */
const MOST_OUTPUT = 1 << 20;

/**
 * Runs a program to its end, and gives what it printed on standard output. Deno asks for `--allow-run`.
 *
 * @param program its path.
 * @param args what it is given; no shell looks at it.
 * @throws {Error} if it cannot be run, fails, or prints more than a mebibyte.
 */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  const { execFile } = builtin("node:child_process");
  return await new Promise<string>((resolve, reject) => {
    execFile(program, args, { maxBuffer: MOST_OUTPUT }, (error, stdout) => {
      if (error) reject(new Error(`${program} failed: ${error.message}`, { cause: error }));
      else resolve(String(stdout));
    });
  });
}
