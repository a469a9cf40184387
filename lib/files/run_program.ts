/**
 * Other programs, run.
 *
 * @module
 */
import { printableText } from "../numbers/printable.ts";
import { builtin } from "./builtins.ts";

/** What a program may print at most, in characters. */
const MOST_OUTPUT = 1 << 20;

/** Characters of what a program said last that a message has room for. */
const MOST_SAID = 400;

/** What the system says of a program. */
interface Failure extends Error {
  code?: string | number | null;
  signal?: string | null;
}

/** What is wrong with a program that could not be run, or failed. */
function problemWith(program: string, error: Failure, stderr: string): string {
  const { code, signal, message } = error;
  if (code === "ENOENT") return `there is no program ${program}; name it by its path`;
  if (code === "EACCES") return `this user may not run ${program}; make it executable`;
  if (signal) return `${program} was ended by ${signal}`;
  if (typeof code !== "number") return `${program} failed: ${message}`;
  const said = printableText(stderr.trim()).slice(-MOST_SAID);
  return `${program} ended with exit code ${code}${said && `, and said: ${said}`}`;
}

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
    execFile(program, args, { maxBuffer: MOST_OUTPUT }, (error: Failure | null, stdout, stderr) => {
      if (!error) resolve(String(stdout));
      else reject(new Error(problemWith(program, error, String(stderr)), { cause: error }));
    });
  });
}
