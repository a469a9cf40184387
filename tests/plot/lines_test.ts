import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { plotLines } from "../../mod.ts";
import { type Element, parse, texts } from "./svg.ts";

Deno.test("lines carry their names at their ends, and none touches another", async () => {
  const figure = await plotLines({ first: [1, 2, 3], second: [3, 3, 3], third: [0, 1, 2.99] }, {
    title: "three lines",
    xLabel: "step",
    yLabel: "error",
  });
  for (const text of ["three lines", "step", "error", "first", "second", "third"]) {
    assert(texts(figure).includes(text), text);
  }
  // Each name is moved with the group that it stands in.
  const moved = (element: Element) =>
    Number(/translate\([^,]+,([^)]+)\)/.exec(element.getAttribute("transform") ?? "")?.[1] ?? 0);
  const heights = [...parse(figure).querySelectorAll('g[aria-label="text"]')].flatMap((group) =>
    [...group.querySelectorAll("text")].map((text) => moved(group) + moved(text))
  ).sort((a, b) => a - b);
  assertEquals(heights.length, 3);
  assert(heights[1] - heights[0] >= 14 && heights[2] - heights[1] >= 14, `${heights}`);
  assertStringIncludes(figure.description, "first: 1 to 3; second: 3 to 3; third: 0 to 2.99");
});

Deno.test("lines have a dot for each number, and a gap where one is missing", async () => {
  const figure = await plotLines({ a: [1, NaN, 3, 4] }, { x: [1, 10, 100, 1000], xScale: "log" });
  assertEquals([...parse(figure).querySelectorAll("circle")].length, 3);
  assert(texts(figure).includes("1,000"));
  assertStringIncludes(figure.description, "a: 1 to 4");
  assertStringIncludes(
    (await plotLines({ a: [1, 2], b: [NaN, NaN] })).description,
    "b: no finite numbers",
  );
});

Deno.test("a logarithmic axis is labelled at every tick", async () => {
  const ticks = async (low: number, high: number) =>
    texts(await plotLines({ a: [low, high] }, { yScale: "log", x: [1, 8], xScale: "log" }));
  assertEquals(await ticks(0.15, 12), ["1", "8", "0.2", "0.5", "1", "2", "5", "10", "a"]);
  assertEquals(await ticks(1, 1e5), [
    "1",
    "8",
    "1",
    "10",
    "100",
    "1,000",
    "10,000",
    "100,000",
    "a",
  ]);
});

Deno.test("lines refuse what cannot be drawn", async () => {
  await assertRejects(() => plotLines({}), RangeError, "no finite numbers");
  await assertRejects(() => plotLines({ a: [1, 2], b: [1] }), RangeError, `"b" has 1 numbers`);
  await assertRejects(() => plotLines({ a: [1] }, { x: [1, 2] }), RangeError, "expected 2");
  await assertRejects(() => plotLines({ a: [0, 1] }, { yScale: "log" }), RangeError, "y axis");
  await assertRejects(() => plotLines({ a: [0, 1] }, { xScale: "log" }), RangeError, "x axis");
});
