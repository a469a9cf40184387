/**
 * Stopping from outside.
 *
 * @module
 */
import { CliError, EXIT } from "./cli_error.ts";

/** How long a command may take to clean up once it is told to stop, in milliseconds. */
const GRACE_MS = 800;

/**
 * Listens for Ctrl-C and SIGTERM. The first aborts the signal returned, with a {@linkcode CliError}, and
 * ends the process if that has not ended it soon, whatever it waits for; the second ends it at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const listen = (name: Deno.Signal, code: number, message: string) =>
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(code);
      const timer = setTimeout(() => {
        Deno.stderr.writeSync(new TextEncoder().encode(`error: ${message}\n`));
        Deno.exit(code);
      }, GRACE_MS);
      Deno.unrefTimer(timer);
      controller.abort(new CliError(code, message));
    });
  listen("SIGINT", EXIT.interrupted, "interrupted");
  // Windows knows no SIGTERM.
  if (Deno.build.os !== "windows") listen("SIGTERM", EXIT.terminated, "terminated");
  return controller.signal;
}
