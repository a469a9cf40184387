/** The jackknife. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { jackknife } from "../../lib/numbers/jackknife.ts";

Deno.test("jackknife: of a mean it gives s/√n", () => {
  const x = [3, 1, 4, 1, 5, 9, 2, 6];
  const { value, error } = jackknife(x.length, (without) => {
    const left = x.filter((_, i) => i !== without);
    return left.reduce((a, b) => a + b) / left.length;
  });
  const mean = 31 / 8;
  const variance = x.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 7;
  assertAlmostEquals(value, mean, 1e-12);
  assertAlmostEquals(error, Math.sqrt(variance / 8), 1e-12);
});

Deno.test("jackknife: one sample tells nothing of its error", () => {
  assertEquals(jackknife(1, () => 2), { value: 2, error: Infinity });
});
