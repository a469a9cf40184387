import { assertEquals } from "@std/assert";
import { ActivationReader } from "../../../lib/onnx/calibration/activation_reader.ts";
import { floats, node, smallModel } from "../small_models.ts";

/** A chain that adds 0.5 time and again, and the names of its values. */
function chain(length: number) {
  const values = ["x", ...Array.from({ length }, (_, i) => `h${i}`)];
  const model = smallModel({
    opset: 17,
    nodes: Array.from({ length }, (_, i) => node("Add", [values[i], "half"], [values[i + 1]])),
    constants: [floats("half", [], [0.5])],
    inputs: { x: ["float32", "n"] },
    outputs: [values[length]],
  });
  return { model, values };
}

/** A sample of numbers from −1 to 1. */
function sample(size: number) {
  return { x: { data: Float32Array.from({ length: size }, (_, i) => Math.sin(i)), dims: [size] } };
}

/** The ranges of values after each sample, and of how many numbers they were seen. */
async function read(length: number, rangesOnly: boolean, sizes: readonly number[]) {
  const { model, values } = chain(length);
  await using reader = await ActivationReader.open("test", model, values, { rangesOnly });
  const all = [];
  for (const size of sizes) {
    const seen = await reader.read(sample(size));
    all.push({ ranges: seen.map(({ range }) => range), count: seen[1].data.length });
    reader.free(seen);
  }
  return all;
}

// The first are found by reductions, the others by reading, and by reductions once the values are large.
for (const [length, sizes] of [[20, [3, 7, 0]], [600, [3, 30_000, 5, 0, 8]]] as const) {
  Deno.test(`ranges of ${length} values are those of the values themselves`, async () => {
    const [ranges, values] = [await read(length, true, sizes), await read(length, false, sizes)];
    for (const [i, size] of sizes.entries()) {
      assertEquals(ranges[i].ranges, values[i].ranges);
      assertEquals(values[i].count, size);
      assertEquals(ranges[i].count, size === 0 ? 0 : 2);
    }
  });

  Deno.test(`what is not finite has no range among ${length} values`, async () => {
    const { model, values } = chain(length);
    await using reader = await ActivationReader.open("test", model, values, { rangesOnly: true });
    for (const bad of [NaN, Infinity, -Infinity]) {
      for (const size of sizes.filter((size) => size > 0)) {
        const feeds = sample(size);
        feeds.x.data[1] = bad;
        for (const { range } of await reader.read(feeds)) assertEquals(range, undefined);
      }
    }
  });
}
