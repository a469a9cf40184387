import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  Figure,
  joinFigures,
  plotBars,
  plotComparison,
  plotConfusionMatrix,
  plotDistribution,
  plotHeatmap,
  plotImages,
  plotLines,
  plotRanges,
  tensor,
  uint8,
} from "../../mod.ts";
import { fills, parse, texts } from "./svg.ts";

const DISPLAY = Symbol.for("Jupyter.display");
const INSPECT = Symbol.for("Deno.customInspect");
// deno-lint-ignore no-explicit-any -- symbols that the types do not know
type Shown = any;

/** 0, 1, …, count − 1. */
const ramp = (count: number) => Float32Array.from({ length: count }, (_, i) => i);

Deno.test("a distribution has as many bars as asked for and tells scale and zero point", async () => {
  const figure = await plotDistribution(ramp(1000), {
    title: "a ramp",
    scale: 4,
    zeroPoint: tensor([3], { device: "cpu" }),
    dtype: uint8,
    bins: 10,
  });
  assertEquals(fills(figure, "rect").length, 11); // the range and the bars
  const all = texts(figure).join("|");
  assertStringIncludes(all, "1,000 values from 0 to 999");
  assertStringIncludes(all, "uint8 covers −12 to 1,008");
  assertStringIncludes(all, "scale 4");
  assertStringIncludes(all, "zero point 3");
  assertStringIncludes(all, "0 % clipped");
  assertStringIncludes(all, "q = 255");
});

Deno.test("a distribution counts what lies more than half a step outside the range", async () => {
  // Covers 0 … 510; 511 is rounded to the end, 512 and above are clipped.
  const figure = await plotDistribution(ramp(1024), { scale: 2, zeroPoint: 0, dtype: uint8 });
  assertStringIncludes(figure.description, "50 % clipped");
  const colours = new Set(fills(figure, "rect"));
  assert(colours.has("#d9622b") && colours.has("#2f6fb3"));
});

Deno.test("a distribution's bars hold every value once", async () => {
  const figure = await plotDistribution([0, 0, 0, 1, 2, 2], { range: [0, 1], bins: 2 });
  assertStringIncludes(figure.description, "33.33 % clipped");
  const constant = await plotDistribution([5, 5, 5]);
  assert(fills(constant, "rect").length >= 1);
});

Deno.test("a distribution without a finite value is refused", async () => {
  await assertRejects(() => plotDistribution([]), RangeError, "no finite values");
  await assertRejects(() => plotDistribution([NaN, Infinity]), RangeError, "no finite values");
});

Deno.test("a distribution refuses a scale for each channel", async () => {
  const scale = tensor([1, 2], { device: "cpu" });
  const error = await assertRejects(
    () => plotDistribution([1], { scale, dtype: uint8 }),
    RangeError,
  );
  assertStringIncludes(error.message, "one channel at a time");
});

Deno.test("a heat map holds its cells as one picture, and tells shape and range", async () => {
  const figure = await plotHeatmap(tensor([[-1, 0.5, 0], [0, 0.25, 1]], { device: "cpu" }), {
    title: "w",
  });
  const images = [...parse(figure).querySelectorAll("image")];
  assertEquals(images.length, 2); // the cells and the legend
  for (const image of images) {
    const href = image.getAttribute("href") ?? image.getAttribute("xlink:href")!;
    const bytes = Uint8Array.from(atob(href.split(",")[1]), (c) => c.charCodeAt(0));
    assertEquals([...bytes.subarray(1, 4)], [..."PNG"].map((c) => c.charCodeAt(0)));
  }
  assertStringIncludes(figure.description, "2 × 3; −1 to 1");
});

Deno.test("a heat map refuses what is no matrix", async () => {
  await assertRejects(() => plotHeatmap(tensor([1, 2], { device: "cpu" })), RangeError, "[2]");
  await assertRejects(() => plotHeatmap([[1, 2], [3]]), RangeError, "ragged");
  await assertRejects(() => plotHeatmap([]), RangeError, "no numbers");
});

Deno.test("a comparison tells the signal-to-quantization-noise ratio", async () => {
  const figure = await plotComparison([1, 2], [1, 2.1]);
  assertStringIncludes(figure.description, "SQNR 26.99 dB; largest error 0.1");
  assertEquals([...parse(figure).querySelectorAll("circle")].length, 4); // two points, two errors
  assertStringIncludes((await plotComparison([1], [1])).description, "SQNR ∞");
  await assertRejects(() => plotComparison([1, 2], [1]), RangeError, "2 float values and 1");
});

Deno.test("a comparison of many values draws some and counts all", async () => {
  const figure = await plotComparison(ramp(5000), ramp(5000).map((x) => x + 1));
  assertStringIncludes(figure.description, "997 of 5,000 values drawn");
  assertStringIncludes(figure.description, "largest error 1;");
});

Deno.test("a confusion matrix counts", async () => {
  const figure = await plotConfusionMatrix([0, 1, 1, 2], [0, 1, 2, 2], {
    classes: ["a", "b", "c"],
  });
  assertEquals(fills(figure, "cell").length, 9);
  assertStringIncludes(figure.description, "3 of 4 right (75 %)");
  const counts = [...parse(figure).querySelectorAll('g[aria-label="text"] text')];
  assertEquals(counts.map((text) => text.textContent), ["1", "1", "1", "1"]);
  await assertRejects(() => plotConfusionMatrix([0], [0, 1]), RangeError, "1 labels and 2");
  await assertRejects(() => plotConfusionMatrix([0], [-1]), RangeError, "-1 is no class");
});

Deno.test("images stand in a grid with their captions", async () => {
  const figure = await plotImages(tensor([[0, 1, 1, 0], [1, 0, 0, 1]], { device: "cpu" }), {
    captions: ["one\nlabel 1", "two"],
  });
  assertEquals([...parse(figure).querySelectorAll("image")].length, 2);
  assertEquals(texts(figure), ["2 images", "one", "label 1", "two"]);
  await assertRejects(() => plotImages([[1, 2, 3]]), RangeError, "give { rows }");
});

Deno.test("bars carry their names and numbers", async () => {
  const figure = await plotBars({ float32: 4000, uint8: 1000 });
  assertEquals(fills(figure, "bar").length, 2);
  const all = texts(figure);
  for (const expected of ["float32", "uint8", "4,000", "1,000"]) assert(all.includes(expected));
});

Deno.test("texts are escaped", async () => {
  const evil = `<script>"x"&'y'</script>`;
  const figure = await plotBars({ [evil]: 1 }, { title: evil, label: evil });
  assert(!figure.svg.includes("<script>"));
  assertEquals(texts(figure).filter((text) => text === evil).length, 3);
  const image = (figure as Shown)[DISPLAY]()["text/html"];
  assert(!image.includes("<script>"));
});

Deno.test("a figure shows itself as an image that holds the SVG", async () => {
  const figure = await plotBars({ a: 1 }, { title: "Größe" });
  const bundle = (figure as Shown)[DISPLAY]();
  assertEquals(Object.keys(bundle), ["text/html", "image/svg+xml", "text/plain"]);
  const encoded = bundle["text/html"].match(/base64,([^"]+)"/)[1];
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const ground = '<rect width="100%" height="100%" fill="#ffffff"/>';
  assertEquals(new TextDecoder().decode(bytes), figure.svg.replace(ground, ""));
  assert(figure.svg.includes(ground)); // the notebook's shows through the one, the other has its own
  assertEquals(bundle["image/svg+xml"], figure.svg);
  assertEquals(String(figure), figure.svg);
  assertStringIncludes((figure as Shown)[INSPECT](), "Größe");
});

Deno.test("joined figures stand beside and below one another", async () => {
  const one = await plotBars({ a: 1 }, { title: "one" });
  const row = joinFigures([one, one, one]);
  assertEquals([row.width, row.height], [3 * one.width, one.height]);
  const grid = joinFigures([one, one, one], { columns: 2 });
  assertEquals([grid.width, grid.height], [2 * one.width, 2 * one.height]);
  assert(grid instanceof Figure);
  assertEquals(texts(grid).filter((text) => text === "one").length, 3);
});

Deno.test("every colour of a picture has another one for dark ground", async () => {
  const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const series = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`s${i}`, [i, i + 1]]));
  const figures = [
    await plotBars({ a: 1 }, { title: "bars" }),
    await plotComparison(values, values.map((x) => x + 0.01)),
    await plotConfusionMatrix([0, 1], [0, 0]),
    await plotDistribution(values, { scale: 0.005, zeroPoint: 128, dtype: uint8 }),
    await plotHeatmap([values, values]),
    await plotImages([[0, 1, 1, 0]], { captions: ["a"], highlights: [true] }),
    await plotLines(series),
    await plotRanges(values, { narrow: [-0.5, 0.5] }),
  ];
  for (const figure of figures) {
    const [, sheet] = figure.svg.match(
      /<style>@media \(prefers-color-scheme:dark\)\{(.*?)\}<\/style>/,
    )!;
    for (const [, name, colour] of figure.svg.matchAll(/ (fill|stroke|color)="([^"]*)"/g)) {
      if (["none", "currentColor"].includes(colour)) continue;
      assertStringIncludes(sheet, `[${name}="${colour}"]{${name}:#`, figure.description);
    }
  }
  const joined = joinFigures(figures.slice(0, 2)).svg;
  assertEquals(joined.match(/<style>/g)?.length, 1);
  assertEquals(joined.match(/height="100%"/g)?.length, 1);
});

Deno.test("a distribution of counts is that of the values", async () => {
  const width = 1 / 8;
  const counts = new Float64Array(100);
  const values: number[] = [];
  for (let bin = 3; bin < 67; bin++) {
    counts[bin] = bin % 7 + 1;
    for (let i = 0; i < counts[bin]; i++) values.push(-2 + (bin + 0.5) * width);
  }
  const [min, max] = [values[0], values.at(-1)!];
  const figure = await plotDistribution({ min, max, width, start: -2, counts }, {
    bins: 32,
    range: [-1.125, 5.125],
  });
  assertEquals(fills(figure, "rect").length, 33);
  const all = texts(figure).join("|");
  assertStringIncludes(all, `${values.length} values from −1.563 to 6.313`);
  const clipped = values.filter((x) => x < -1.125 || x > 5.125).length;
  assertStringIncludes(all, `${Number((100 * clipped / values.length).toFixed(2))} % clipped`);
});
