import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { plotRanges, tensor } from "../../mod.ts";
import { fills, parse, texts } from "./svg.ts";

const ALERT = "#d9622b";

Deno.test("ranges stand below the distribution, each with the share that lies outside", async () => {
  const values = tensor([-4, -1, 0, 1, 2, 2, 3, 8], { device: "cpu" });
  const figure = await plotRanges(values, { all: [-4, 8], most: [-1, 3] }, {
    title: "t",
    label: "activation",
    bins: 4,
  });
  const all = texts(figure);
  for (const text of ["t", "activation", "count", "all", "most", "outside", "0 %", "25 %"]) {
    assertEquals(all.filter((other) => other === text).length, 1, text);
  }
  assertEquals(fills(figure, "bar").length, 2);
  assertStringIncludes(figure.description, "8 values from −4 to 8");
  assertStringIncludes(
    figure.description,
    "all: −4 to 8, 0 % outside; most: −1 to 3, 25 % outside",
  );
  // What the second range leaves out lies on both sides of it.
  const lines = [...parse(figure).querySelectorAll('g[aria-label="rule"]')]
    .filter((group) => group.getAttribute("stroke") === ALERT)
    .flatMap((group) => [...group.querySelectorAll("line")]);
  assertEquals(lines.length, 2);
});

Deno.test("ranges show single values on a logarithmic scale, with ticks at powers of ten", async () => {
  const values = [...new Array(1000).fill(0.5), 100];
  const figure = await plotRanges(values, { narrow: [0, 1] }, { countScale: "log", bins: 10 });
  assertEquals(fills(figure, "rect").length, 2); // one bar for the many, one for the single
  const counts = texts(figure).filter((text) => /^1(,?0+)?$/.test(text));
  assertEquals(counts.filter((text) => text !== "100"), ["1", "10", "1,000"]);
  assertStringIncludes(figure.description, "narrow: 0 to 1, 0.1 % outside");
});

Deno.test("ranges of nothing are refused, and no range at all is drawn", async () => {
  await assertRejects(() => plotRanges([], { a: [0, 1] }), RangeError, "no finite values");
  assertStringIncludes((await plotRanges([1, 2], {})).description, "2 values from 1 to 2");
  assertStringIncludes((await plotRanges([3, 3], { a: [0, 1] })).description, "100 % outside");
});
