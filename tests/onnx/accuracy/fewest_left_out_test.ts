import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fewestLeftOut, type NoiseSource } from "../../../lib/onnx/accuracy/fewest_left_out.ts";

/** Measures as if noise added up, and counts how often. */
function additive(sources: readonly NoiseSource[]) {
  const calls: string[][] = [];
  const measure = (leftOut: ReadonlySet<string>) => {
    calls.push([...leftOut]);
    const noise = sources.reduce(
      (sum, { name, noise }) => leftOut.has(name) ? sum : sum + noise,
      0,
    );
    return Promise.resolve(noise === 0 ? Infinity : -10 * Math.log10(noise));
  };
  return { calls, measure };
}

function sourcesOf(...noises: number[]): NoiseSource[] {
  return noises.toSorted((a, b) => b - a).map((noise, i) => ({ name: `n${i}`, noise }));
}

Deno.test("fewestLeftOut() leaves nothing out where the target is met", async () => {
  const sources = sourcesOf(1e-3, 1e-4);
  const { calls, measure } = additive(sources);
  const { names, sqnr } = await fewestLeftOut(sources, 20, measure);
  assertEquals(names, []);
  assertEquals(sqnr, await measure(new Set()));
  assertEquals(calls.length, 2);
});

Deno.test("fewestLeftOut() leaves the fewest out where noise adds up", async () => {
  const noises = fc.array(fc.double({ min: 1e-6, max: 1e-1, noNaN: true }), {
    minLength: 1,
    maxLength: 40,
  });
  const target = fc.double({ min: 5, max: 70, noNaN: true });
  await fc.assert(
    fc.asyncProperty(noises, target, async (values, target) => {
      const sources = sourcesOf(...values);
      const { measure } = additive(sources);
      const { names, sqnr } = await fewestLeftOut(sources, target, measure);
      let count = 0;
      const first = (n: number) => new Set(sources.slice(0, n).map(({ name }) => name));
      while (await measure(first(count)) < target) count++;
      assertEquals(names.length, count);
      assert(sqnr >= target);
      assertEquals(sqnr, await measure(new Set(names)));
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("fewestLeftOut() is right whatever the noise alone said", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 2, maxLength: 20 }),
      fc.infiniteStream(fc.double({ min: 1e-6, max: 1, noNaN: true })),
      async (values, alone) => {
        const real = values.map((noise, i) => ({ name: `n${i}`, noise }));
        const { measure } = additive(real);
        const claimed = real.map(({ name }) => ({ name, noise: alone.next().value as number }))
          .toSorted((a, b) => b.noise - a.noise);
        const { names, sqnr } = await fewestLeftOut(claimed, 12, measure);
        assert(sqnr >= 12);
        // None of them could come back.
        for (const name of names) {
          const fewer = new Set(names);
          fewer.delete(name);
          assert(await measure(fewer) < 12);
        }
      },
    ),
    { seed: 7, numRuns: 200 },
  );
});

Deno.test("fewestLeftOut() says what is reached where the target cannot be", async () => {
  const sources = sourcesOf(1e-2, 1e-3);
  const { names, sqnr } = await fewestLeftOut(sources, 60, (set) => Promise.resolve(20 + set.size));
  assertEquals(names, ["n0", "n1"]);
  assertEquals(sqnr, 22);
});

Deno.test("fewestLeftOut() measures little where the guess is good", async () => {
  const sources = sourcesOf(...Array.from({ length: 256 }, (_, i) => 1e-3 / (1 + i)));
  const { calls, measure } = additive(sources);
  const { names } = await fewestLeftOut(sources, 28, measure);
  assert(calls.length <= names.length + 6, `${calls.length} for ${names.length}`);
});

Deno.test("fewestLeftOut() lets many come back at once, and does not try for ever", async () => {
  const real = Array.from({ length: 1000 }, (_, i) => ({ name: `n${i}`, noise: 1e-9 }));
  // All but one are harmless, which the noise alone does not tell.
  real[500].noise = 1;
  const { calls, measure } = additive(real);
  const claimed = real.map(({ name }, i) => ({ name, noise: i === 999 ? 1e-3 : 1 - i / 1000 }));
  const { names } = await fewestLeftOut(claimed, 12, measure);
  assertEquals(names, ["n500"]);
  assert(calls.length < 60, `${calls.length}`);
  // Where none can come back, a few are tried.
  const even = real.map(({ name }) => ({ name, noise: 1 }));
  const stubborn = additive(even);
  const { names: left, sqnr } = await fewestLeftOut(even, -20, stubborn.measure);
  assertEquals([left.length, sqnr], [900, -20]);
  assert(stubborn.calls.length < 160, `${stubborn.calls.length}`);
});
