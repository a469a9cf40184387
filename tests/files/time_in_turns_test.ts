/** How long something takes beside something else. */
import { assertEquals } from "@std/assert";
import { type InDoubt, timeInTurns } from "../../lib/files/time_in_turns.ts";

/** What is told of something that takes so many milliseconds beside what takes 4, and how often it was run. */
async function beside(ms: number, doubt?: InDoubt): Promise<[share: number, runs: number]> {
  let [now, runs] = [0, 0];
  const own = () => Promise.resolve((runs++, now += ms));
  const other = () => Promise.resolve(now += 4);
  return [await timeInTurns(own, other, () => now, doubt), runs];
}

Deno.test("timeInTurns: what is clear after a few rounds is not asked further", async () => {
  // Two runs of 4 ms are a round, after the first one; of 2 ms four.
  assertEquals(await beside(4), [1, 1 + 11 * 2]);
  assertEquals(await beside(8), [2, 1 + 3]);
  assertEquals(await beside(2), [0.5, 1 + 11 * 4]);
  assertEquals(await beside(2, { from: 0.6, to: 0.7 }), [0.5, 1 + 3 * 4]);
  assertEquals(await beside(4, { from: 0.6, to: 0.7 }), [1, 1 + 3 * 2]);
  assertEquals(await beside(2, { from: 0.4, to: 0.6 }), [0.5, 1 + 11 * 4]);
});

Deno.test("timeInTurns: of quick runs ten are a round from 4 ms on", async () => {
  assertEquals(await beside(0.5), [0.125, 1 + 11 * 10]);
});
