/**
 * How far a command is.
 *
 * @module
 */
import { timeLeft } from "../plot/progress_text.ts";
import type { Console } from "./console.ts";

const INTERVAL_MS = 100;
const BAR = 24;

/** Hears how far a command is. */
export interface Progress extends Disposable {
  /** Says that `done` of `total` steps are done; without a total only how many. */
  update(what: string, done: number, total?: number): void;
  /** Ends what is shown, so that something else can be written. */
  clear(): void;
}

/** A line on a terminal that shows what is done and how long the rest takes. Silent where nobody watches. */
export class ProgressBar implements Progress {
  private started = 0;
  /** What was done when it was first shown, in another run perhaps. */
  private before = 0;
  private shown = -Infinity;
  private what = "";
  private width = 0;

  /** A bar on this console. */
  constructor(private readonly console: Console, private readonly now = () => performance.now()) {}

  /**
   * Says that `done` of `total` steps are done; without a total only how many.
   *
   * @param step which one is being done, if steps have names.
   */
  update(what: string, done: number, total?: number, step?: string): void {
    const { console } = this;
    if (!console.interactive) return;
    const time = this.now();
    if (what !== this.what) {
      [this.what, this.started, this.before, this.shown] = [what, time, done, -Infinity];
    }
    if (time - this.shown < INTERVAL_MS && done !== total && step === undefined) return;
    this.shown = time;
    const seconds = (time - this.started) / 1000;
    const each = done > this.before ? seconds / (done - this.before) : undefined;
    const bar = total ? withBar(what, done, total, each) : `${what} ${done}`;
    const line = step === undefined ? bar : `${bar}  ${step}`;
    this.draw([...line].slice(0, console.columns - 1).join(""));
  }

  /** Clears the line, so that something else can be written. */
  clear(): void {
    if (this.width > 0) this.draw("");
  }

  /** Clears the line. */
  [Symbol.dispose](): void {
    this.clear();
  }

  private draw(line: string): void {
    const { length } = [...line];
    this.console.status(line + " ".repeat(Math.max(this.width - length, 0)));
    if (length === 0) this.console.status("");
    this.width = length;
  }
}

/** @param each seconds a step takes, if that is known. */
function withBar(what: string, done: number, total: number, each?: number): string {
  const share = Math.min(done / total, 1);
  const full = Math.round(share * BAR);
  const bar = "█".repeat(full) + "░".repeat(BAR - full);
  return `${what} ${bar} ${done}/${total}  ${timeLeft(done, total, each)}`.trimEnd();
}
