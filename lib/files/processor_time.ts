/**
 * How long the processor has worked for this program.
 *
 * @module
 */
import { HOST, theProcess } from "./host.ts";

/**
 * The milliseconds that all threads of this program have computed. What else the machine does takes none of them, as it does
 * of the time on the wall; in a browser, which does not tell, that is what it is.
 */
export function processorTime(): number {
  if (HOST === "browser") return performance.now();
  const { user, system } = theProcess().cpuUsage();
  return (user + system) / 1000;
}
