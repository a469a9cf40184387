/** Which buffers share an allocation, which takes no device. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { largestLiveSet, type Life, shareMemory } from "../../lib/backend/webgpu/share_memory.ts";

const life = fc.record({
  size: fc.integer({ min: 1, max: 40 }),
  first: fc.integer({ min: 0, max: 50 }),
  length: fc.integer({ min: 0, max: 12 }),
}).map(({ size, first, length }): Life => ({ size, first, last: first + length }));

Deno.test("no two that are in use at once share, and each has room", () => {
  fc.assert(
    fc.property(fc.array(life, { maxLength: 60 }), (lives) => {
      const { places, sizes } = shareMemory(lives);
      lives.forEach((a, i) => {
        assert(a.size <= sizes[places[i]]);
        lives.forEach((b, j) => {
          if (i === j || places[i] !== places[j]) return;
          assert(a.last < b.first || b.last < a.first, `${i} and ${j} meet`);
        });
      });
      const total = sizes.reduce((sum, size) => sum + size, 0);
      assert(total >= largestLiveSet(lives) || lives.length === 0);
      assert(total <= lives.reduce((sum, { size }) => sum + size, 0));
    }),
    { seed: 9, numRuns: 300 },
  );
});

Deno.test("a chain takes what its two largest neighbours take, however long it is", () => {
  const chain = (sizes: number[]) => sizes.map((size, i) => ({ size, first: i, last: i + 1 }));
  const lives = chain(Array.from({ length: 400 }, (_, i) => [64, 32, 16, 8][i % 4]));
  assertEquals(shareMemory(lives).sizes, [64, 32]);
  assertEquals(largestLiveSet(lives), 96);
  assertEquals(shareMemory([]), { places: [], sizes: [] });
});

Deno.test("an order in which something does not fit is tried anew with that first", () => {
  // By size, by room or by time alone this takes 20.
  const lives = [[4, 4, 4], [4, 5, 9], [8, 6, 8], [6, 2, 4], [4, 3, 5], [6, 5, 7]]
    .map(([size, first, last]) => ({ size, first, last }));
  const total = shareMemory(lives).sizes.reduce((sum, size) => sum + size, 0);
  assertEquals([total, largestLiveSet(lives)], [18, 18]);
});
