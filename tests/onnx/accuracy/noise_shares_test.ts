import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { noiseShares } from "../../../lib/onnx/accuracy/noise_shares.ts";

/** Measures as if noise added up, and takes note of what was measured. */
function additive(noises: readonly number[]) {
  const calls: number[][] = [];
  const measure = (sources: readonly number[]) => {
    calls.push([...sources]);
    return Promise.resolve(sources.reduce((sum, i) => sum + noises[i], 0));
  };
  return { calls, measure };
}

Deno.test("noiseShares() measures each source alone if it may", async () => {
  const noises = [3, 1, 4, 1, 5];
  const { calls, measure } = additive(noises);
  const shares = await noiseShares(5, 5, measure);
  assertEquals(shares, noises.map((noise) => ({ noise, estimated: false })));
  assertEquals(calls, [[0], [1], [2], [3], [4]]);
  assertEquals(await noiseShares(0, 5, measure), []);
});

Deno.test("noiseShares() keeps to its measurements, and shares out all noise", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 2, max: 64 }),
      async (noises, most) => {
        const { calls, measure } = additive(noises);
        const shares = await noiseShares(noises.length, most, measure);
        assert(calls.length <= most);
        assertEquals(shares.length, noises.length);
        const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
        assertAlmostEquals(sum(shares.map(({ noise }) => noise)), sum(noises), 1e-9);
        shares.forEach(({ noise, estimated }, i) => {
          if (!estimated) assertEquals(noise, noises[i]);
        });
      },
    ),
    { seed: 5, numRuns: 200 },
  );
});

Deno.test("noiseShares() finds the loudest sources among many", async () => {
  const loud = [17, 18, 400, 999];
  const noises = Array.from({ length: 1000 }, (_, i) => loud.includes(i) ? 1 : 1e-4);
  const { calls, measure } = additive(noises);
  const shares = await noiseShares(1000, 128, measure);
  const first = shares.map(({ noise, estimated }, i) => ({ i, noise, estimated }))
    .toSorted((a, b) => b.noise - a.noise).slice(0, loud.length);
  assertEquals(first.map(({ i }) => i).toSorted((a, b) => a - b), loud);
  assert(first.every(({ estimated }) => !estimated));
  assert(calls.length <= 128);
});
