import { assertEquals } from "@std/assert";
import { replay } from "../../lib/data/replay.ts";
import type { Feeds } from "../../lib/data/sample.ts";

/** Samples of 8 bytes, and how often they were opened. */
function counted(samples: number) {
  const source = {
    opened: 0,
    async *open(): AsyncGenerator<Feeds> {
      source.opened++;
      for (let i = 0; i < samples; i++) {
        await Promise.resolve();
        yield { x: { type: "float32", data: Float32Array.of(i, 0), dims: [2] } };
      }
    },
  };
  return source;
}

const firsts = async (samples: AsyncIterable<Feeds>) =>
  (await Array.fromAsync(samples)).map(({ x }) => x.data[0]);

Deno.test("few samples are read once", async () => {
  const source = counted(3);
  const samples = replay(source.open, 24);
  for (let i = 0; i < 3; i++) assertEquals(await firsts(samples()), [0, 1, 2]);
  assertEquals(source.opened, 1);
});

Deno.test("more than the budget are read anew each time", async () => {
  const source = counted(4);
  const samples = replay(source.open, 24);
  for (let i = 0; i < 3; i++) assertEquals(await firsts(samples()), [0, 1, 2, 3]);
  assertEquals(source.opened, 3);
});

Deno.test("samples that were not read to their end are read again", async () => {
  const source = counted(3);
  const samples = replay(source.open);
  for await (const _ of samples()) break;
  assertEquals(await firsts(samples()), [0, 1, 2]);
  assertEquals(source.opened, 2);
});
