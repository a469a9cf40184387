import { assert } from "@std/assert";
import { type Judged, preferred } from "../../../lib/quantization/tune/remedy_search.ts";

const judged = (takes: number, metric: number): Judged => ({
  ...{ takes, metric, sqnr: metric, bytes: 1 },
});

Deno.test("within the limits the better one is gone on from", () => {
  assert(preferred(judged(0.9, 21), judged(0.5, 20)));
  assert(!preferred(judged(0.5, 20), judged(0.9, 20)));
  assert(preferred(judged(1, 10), judged(1.01, 20)) && !preferred(judged(1.01, 20), judged(1, 10)));
});

Deno.test("above the limits what comes nearer to them is gone on from, or what is better and as near", () => {
  assert(preferred(judged(1.2, 10), judged(1.5, 20)));
  assert(!preferred(judged(1.5, 20), judged(1.2, 10)));
  assert(preferred(judged(1.21, 20), judged(1.2, 10)));
  assert(!preferred(judged(1.19, 9), judged(1.2, 10)));
});
