/**
 * Where the command line writes: results to standard output, everything else to standard error. What
 * names from files could do to a terminal is taken out of all of it here.
 *
 * @module
 */

import { printable, printableText } from "../numbers/printable.ts";
import { isTerminal, terminalColumns, writeText } from "../files/terminal.ts";
import type { CleanStop } from "./clean_stop.ts";

/** What a command talks to. */
export interface Console {
  /** Writes results, as they are. */
  out(text: string): void;
  /** Writes to the person at the terminal. */
  err(text: string): void;
  /** Shows the person a line in place of the one shown last; a shorter one leaves what it does not cover. */
  status(line: string): void;
  /** Whether a person watches what `err` writes. */
  readonly interactive: boolean;
  /** Columns of the terminal that `err` writes to. */
  readonly columns: number;
  /** Columns for results: those of the terminal that `out` writes to. */
  readonly outColumns: number;
  /** Aborted when the command is to stop. */
  readonly signal: AbortSignal;
  /** Does work that a signal from outside is not to cut in two: it aborts `signal` instead. */
  finish<T>(work: () => Promise<T>): Promise<T>;
}

/** What most terminals, pages and mails have at least. */
const UNKNOWN_COLUMNS = 80;

/** The console of this process. */
export function processConsole(stop: CleanStop): Console {
  const interactive = isTerminal();
  return {
    out: (text) => writeText("out", printableText(text)),
    err: (text) => writeText("err", printableText(text)),
    status: (line) => writeText("err", `\r${printable(line)}`),
    interactive,
    get columns() {
      return terminalColumns("err") || UNKNOWN_COLUMNS;
    },
    get outColumns() {
      return terminalColumns("out") || UNKNOWN_COLUMNS;
    },
    signal: stop.signal,
    finish: (work) => stop.finish(work),
  };
}
