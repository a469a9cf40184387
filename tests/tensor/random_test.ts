import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { bfloat16, manualSeed, rand, randn } from "../../mod.ts";
import { eachBackend } from "../backends.ts";

function moments(values: ArrayLike<number>) {
  const list = Array.from(values);
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  const central = (p: number) => list.reduce((a, b) => a + (b - mean) ** p, 0) / list.length;
  const variance = central(2);
  return {
    mean,
    variance,
    skew: central(3) / variance ** 1.5,
    kurtosis: central(4) / variance ** 2,
  };
}

eachBackend("the same seed gives the same numbers, another seed others", async () => {
  const draw = async (seed: number) => {
    manualSeed(seed);
    using a = randn([7]); // an odd count leaves half of a pair behind
    using b = rand([5]);
    return [...await a.data(), ...await b.data()];
  };
  const first = await draw(42);
  assertEquals(await draw(42), first);
  assertNotEquals(await draw(43), first);
  assertEquals(await draw(42 + 2 ** 32), first); // the low 32 bits count
});

Deno.test("the normal distribution has its moments", async () => {
  manualSeed(1);
  using x = randn([200_000], { device: "cpu" });
  const { mean, variance, skew, kurtosis } = moments(await x.data());
  const sigma = 1 / Math.sqrt(200_000); // standard errors 1, √2, √6, √24 of it; 5 of each allowed
  assertLess(Math.abs(mean), 5 * sigma);
  assertLess(Math.abs(variance - 1), 5 * Math.SQRT2 * sigma);
  assertLess(Math.abs(skew), 5 * Math.sqrt(6) * sigma);
  assertLess(Math.abs(kurtosis - 3), 5 * Math.sqrt(24) * sigma);
});

Deno.test("the uniform distribution fills its bounds evenly", async () => {
  manualSeed(2);
  using x = rand([100_000], { low: -2, high: 6, device: "cpu" });
  const values = await x.data();
  const bins = new Array(8).fill(0);
  for (const v of values) {
    assert(v >= -2 && v < 6, `${v}`);
    bins[Math.floor(v + 2)]++;
  }
  const expected = values.length / 8;
  const chiSquare = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  assertLess(chiSquare, 29.9); // seven degrees of freedom, p = 0.0001
});

Deno.test("neighbouring draws are not correlated", async () => {
  manualSeed(3);
  using x = randn([50_000], { device: "cpu" });
  const v = await x.data();
  let product = 0;
  for (let i = 1; i < v.length; i++) product += v[i] * v[i - 1];
  assertLess(Math.abs(product / v.length), 5 / Math.sqrt(v.length));
});

Deno.test("draws in a narrow dtype stay below the upper bound", async () => {
  manualSeed(4);
  using x = rand([20_000], { dtype: bfloat16, device: "cpu" });
  assert((await x.data()).every((v) => v < 1), "rand in bfloat16 gave 1");
});
