import { assert, assertEquals } from "@std/assert";
import {
  type Judged,
  preferred,
  RemedySearch,
} from "../../../lib/quantization/tune/remedy_search.ts";

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

Deno.test("what comes twice is tried again once something else was kept", async () => {
  const tries: string[] = [];
  const remedy = (name: string, gain: number) => ({
    ...{ name, purpose: "", rewrites: false },
    apply: (state: number) => {
      tries.push(`${name} ${state}`);
      return Promise.resolve({ state: state + gain, found: undefined, summary: name });
    },
  });
  const search = new RemedySearch<number, undefined>({
    score: (state) => Promise.resolve(judged(0.5, state)),
    problem: (message) => new Error(message),
  });
  const [better, worse, other] = [remedy("a", 1), remedy("b", -1), remedy("c", 10)];
  await search.improve(0, [better, worse, better, worse, other, better, worse], undefined);
  assertEquals(tries, ["a 0", "b 1", "c 1", "a 11", "b 12"]);
});
