/**
 * The most memory that a process held.
 *
 * @module
 */

/** The peak of a process, read again and again until it ends; in bytes. Linux only, which tells it. */
export async function peakOf(process: Deno.ChildProcess): Promise<number> {
  let [peak, ended] = [0, false];
  const end = process.status.then(() => ended = true);
  while (!ended) {
    const status = await Deno.readTextFile(`/proc/${process.pid}/status`).catch(() => "");
    peak = Math.max(peak, 1024 * Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0));
    await Promise.race([end, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  return peak;
}
