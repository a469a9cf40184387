/**
 * The process that a command line is: its arguments, its terminal, its end.
 *
 * @module
 */
import { codeOf } from "./disk.ts";
import { builtin } from "./builtins.ts";
import { deno, theProcess } from "./host.ts";

/** The arguments behind the program's name. */
export function processArguments(): readonly string[] {
  return theProcess().argv.slice(2);
}

/** Ends the process at once. */
export function exit(code: number): never {
  return theProcess().exit(code);
}

const STREAMS = { out: 1, err: 2 } as const;

/** Writes all of a text before it returns; a reader that has left is no error. */
export function writeText(stream: keyof typeof STREAMS, text: string): void {
  const fs = builtin("node:fs");
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) {
    try {
      done += fs.writeSync(STREAMS[stream], bytes, done);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EPIPE" || (error as Error).name === "BrokenPipe") return;
      if (code !== "EAGAIN") throw error; // a pipe that is full for the moment
    }
  }
}

/** Whether a person sees what is written to the error output. */
export function isTerminal(): boolean {
  return theProcess().stderr.isTTY ?? false;
}

/** Columns of the terminal that a stream goes to, if it goes to one. */
export function terminalColumns(stream: keyof typeof STREAMS): number | undefined {
  const { stdout, stderr } = theProcess();
  return (stream === "out" ? stdout : stderr).columns;
}

/** An error with all that is known of it. */
export function inspected(error: unknown): string {
  return deno?.inspect(error) ?? builtin("node:util").inspect(error);
}

/** Calls back when somebody stops the process from outside; returns what takes that back. */
export function onSignal(name: "SIGINT" | "SIGTERM", listener: () => void): () => void {
  const process = theProcess();
  process.on(name, listener);
  return () => void process.off(name, listener);
}

/** Does something after a while, if the process still lives by then. */
export function afterwards(milliseconds: number, work: () => void): void {
  const timer: unknown = setTimeout(work, milliseconds);
  (timer as { unref(): void }).unref();
}
