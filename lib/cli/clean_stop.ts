/**
 * Stopping from outside.
 *
 * @module
 */
import { platform } from "../files/host.ts";
import { afterwards, exit, onSignal, writeText } from "../files/terminal.ts";
import { CliError, EXIT } from "./cli_error.ts";

/** How long work may take to come to its end once it is told to stop, in milliseconds. */
const GRACE_MS = 800;

const SIGNALS: readonly (readonly [name: "SIGINT" | "SIGTERM", code: number, message: string])[] = [
  ["SIGINT", EXIT.interrupted, "interrupted"],
  // Windows knows no SIGTERM.
  ...platform() === "win32" ? [] : [["SIGTERM", EXIT.terminated, "terminated"] as const],
];

/**
 * Lets work that is worth it come to its end when Ctrl-C or SIGTERM stops the process. All else ends at once, as
 * the system does it: even where nothing in JavaScript could listen, for a model runs or a plot is drawn.
 */
export class CleanStop {
  private readonly controller = new AbortController();

  /** Aborted, with a {@linkcode CliError}, when work is to come to its end. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /**
   * Does work that is not to be cut in two. The first signal from outside aborts `signal`, and ends the process
   * if the work has not ended soon; the second ends it at once.
   */
  async finish<T>(work: () => Promise<T>): Promise<T> {
    const listeners = SIGNALS.map(([name, code, message]) => {
      const listener = () => {
        deafen();
        this.stop(code, message);
      };
      return onSignal(name, listener);
    });
    const deafen = () => listeners.splice(0).forEach((remove) => remove());
    try {
      return await work();
    } finally {
      deafen();
    }
  }

  private stop(code: number, message: string): void {
    afterwards(GRACE_MS, () => {
      writeText("err", `error: ${message}\n`);
      exit(code);
    });
    this.controller.abort(new CliError(code, message));
  }
}
