import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MinCut } from "../../lib/numbers/min_cut.ts";

/** What it costs to have these on the first side, where 1 is the second side itself. */
function cost(
  things: readonly (readonly [number, number])[],
  pairs: readonly (readonly [number, number, number])[],
  first: ReadonlySet<number>,
): number {
  const alone = things.reduce((sum, [a, b], i) => sum + (first.has(i + 2) ? a : b), 0);
  return pairs.reduce((sum, [a, b, c]) => sum + (first.has(a) && !first.has(b) ? c : 0), alone);
}

Deno.test("MinCut finds what costs least, as trying everything does", () => {
  const price = fc.integer({ min: 0, max: 20 });
  const network = fc.integer({ min: 1, max: 7 }).chain((n) => {
    const thing = fc.integer({ min: 2, max: n + 1 });
    const other = fc.oneof(thing, fc.constant(1));
    return fc.tuple(
      fc.array(fc.tuple(price, price), { minLength: n, maxLength: n }),
      fc.array(fc.tuple(thing, other, price), { maxLength: 14 }),
    );
  });
  fc.assert(
    fc.property(network, ([things, pairs]) => {
      const cut = new MinCut();
      things.forEach(([first, second]) => cut.add(first, second));
      pairs.forEach(([first, second, apart]) => cut.apart(first, second, apart));
      const solved = cut.solve();
      const found = cost(things, pairs, solved.first);
      assertAlmostEquals(solved.cost, found, 1e-6);
      for (let choice = 0; choice < 1 << things.length; choice++) {
        const first = new Set(things.keys().filter((i) => choice >> i & 1).map((i) => i + 2));
        if (cost(things, pairs, first) < found) return false;
      }
      return true;
    }),
    { seed: 1, numRuns: 400 },
  );
});

Deno.test("MinCut puts few on the first side where it makes no difference, and obeys the infinite", () => {
  const cut = new MinCut();
  const [a, b, c] = [cut.add(1, 1), cut.add(0, 5), cut.add(3, 0)];
  cut.apart(b, c, Infinity); // b on the first side takes c along, for 3 of its 5
  assertEquals(cut.solve().first, new Set([b, c]));
  assertEquals(cut.solve().first.has(a), false);
  assertAlmostEquals(cost([[1, 1], [0, 5], [3, 0]], [[b, c, Infinity]], cut.solve().first), 4);
});

Deno.test("MinCut takes time that grows with the network: a chain of 20,000", () => {
  const cut = new MinCut();
  let last = cut.add(0, Infinity);
  for (let i = 0; i < 20_000; i++) {
    const next = cut.add(1, 2);
    cut.apart(last, next, 10);
    last = next;
  }
  assertEquals(cut.solve().first.size, 20_001);
});
