/**
 * What a command does, in lines of JSON that a collector of logs can read.
 *
 * @module
 */
import type { Console } from "./console.ts";
import { type Progress, ProgressBar } from "./progress_bar.ts";

/** Milliseconds from one line about progress to the next. */
const INTERVAL_MS = 5000;

/** What every line tells beside its event. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A line. */
export function logLine(event: string, fields: LogFields): string {
  return `${JSON.stringify({ event, ...fields })}\n`;
}

/** Tells of progress in lines: the first, the last, and one every few seconds. */
export class JsonLog implements Progress {
  private readonly started: number;
  private last = -Infinity;
  private told = -1;
  private latest: { what: string; done: number; total?: number } | undefined;

  /** A log on this console; the fields are those of every line. */
  constructor(
    private readonly console: Console,
    private readonly fields: LogFields,
    private readonly now = () => performance.now(),
  ) {
    this.started = now();
  }

  /** Says that something has happened. */
  event(event: string, fields: LogFields = {}): void {
    const seconds = Math.round((this.now() - this.started) / 100) / 10;
    this.console.err(logLine(event, { ...this.fields, ...fields, seconds }));
  }

  /** Says that `done` of `total` steps are done. */
  update(what: string, done: number, total?: number): void {
    this.latest = { what, done, total };
    const now = this.now();
    if (done !== 1 && done !== total && now - this.last < INTERVAL_MS) return;
    this.last = now;
    this.tell();
  }

  private tell(): void {
    const { latest } = this;
    if (!latest || latest.done === this.told) return;
    this.told = latest.done;
    this.event("progress", latest);
  }

  /** Tells of what was done last. */
  clear(): void {
    this.tell();
  }

  /** Nothing is left to be done. */
  [Symbol.dispose](): void {}
}

/** How a command tells of its progress: in lines of JSON where that is asked for, else as a bar for a person. */
export function progressOf(
  console: Console,
  log: "json" | undefined,
  fields: LogFields,
): Progress & { event?(event: string, fields?: LogFields): void } {
  if (log !== "json") return new ProgressBar(console);
  const lines = new JsonLog(console, fields);
  lines.event("started");
  return lines;
}
