import { assert, assertEquals } from "@std/assert";
import { bisect } from "../../../lib/onnx/verify/bisect.ts";

/** Looks for the bad ones among the first numbers, and counts the trials. */
async function search(count: number, bad: readonly number[], most?: number) {
  let trials = 0;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const found = await bisect(numbers, (without) => {
    trials++;
    return Promise.resolve(bad.every((number) => without.includes(number)));
  }, most);
  return { found, trials };
}

Deno.test("bisect finds those without whom all is well, in few trials", async () => {
  for (const bad of [[0], [999], [500], [3, 4], [0, 600, 999], [17, 200, 201, 202, 900]]) {
    const { found, trials } = await search(1000, bad);
    assertEquals(found, bad);
    assert(trials <= 1 + bad.length * (Math.ceil(Math.log2(1000)) + 1), `${trials} trials`);
  }
  assertEquals((await search(1, [0])).found, [0]);
});

Deno.test("bisect leaves out those who come first where either would do", async () => {
  const found = await bisect(
    ["a", "b", "c"],
    (without) => Promise.resolve(without.includes("b") || without.includes("c")),
  );
  assertEquals(found, ["b"]);
});

Deno.test("bisect gives up where nobody is to blame, or too many are", async () => {
  assertEquals((await search(50, [70])).found, undefined);
  assertEquals((await search(0, [70])).found, undefined);
  const { found, trials } = await search(50, [1, 2, 3, 4, 5, 6, 7, 8], 3);
  assertEquals([found?.length, trials < 30], [50, true]);
});
