/** Commands run inside of the test. */
import type { Console } from "../../lib/cli/console.ts";
import { runCommand } from "../../lib/cli/main.ts";

/** What became of a command. */
export interface Result {
  code: number;
  out: string;
  err: string;
}

/** A console that keeps what is written. */
export class TestConsole implements Console {
  written = { out: "", err: "" };
  interactive = false;
  columns = 80;
  outColumns = 80;
  signal: AbortSignal = new AbortController().signal;
  finish<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }
  out(text: string): void {
    this.written.out += text;
  }
  err(text: string): void {
    this.written.err += text;
  }
  status(line: string): void {
    this.err(`\r${line}`);
  }
}

/** Runs a command. */
export async function command(...args: string[]): Promise<Result> {
  const console = new TestConsole();
  const code = await runCommand(args, console);
  return { code, ...console.written };
}
