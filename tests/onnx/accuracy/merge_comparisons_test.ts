import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  compareOnnx,
  compareOnnxPart,
  init,
  mergeComparisons,
  OnnxError,
  type OnnxFeeds,
  openComparison,
  quantizeStatic,
} from "../../../mod.ts";
import { SafetensorsError } from "../../../lib/files/safetensors.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** Two products, of which the first is wide. */
function model(classes = 4) {
  return smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("MatMul", ["r", "v"], ["y"]),
    ],
    constants: [
      floats("w", [8, 16], Array.from(noise(8, 16).data as Float32Array)),
      floats("v", [16, classes], Array.from(noise(16, classes).data as Float32Array)),
    ],
    inputs: { x: ["float32", "n", 8] },
    outputs: ["y"],
  });
}

const samples: OnnxFeeds[] = Array.from({ length: 11 }, (_, k) => {
  const n = 1 + k % 3;
  const data = Float32Array.from({ length: 8 * n }, (_, i) => Math.sin(i * 0.9 + k) * (1 + k % 4));
  return { x: { data, dims: [n, 8] } };
});
const { model: quantized } = await quantizeStatic(model(), samples);

async function partsOf(count: number, list = samples, float = model()) {
  return await Promise.all(
    Array.from(
      { length: count },
      (_, index) => compareOnnxPart(float, quantized, list, { shard: { index, of: count } }),
    ),
  );
}

Deno.test("comparisons merged in groups and any order, some twice, give the bytes of all at once", async () => {
  const parts = await partsOf(6);
  const all = await mergeComparisons(parts);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
      fc.shuffledSubarray(parts, { minLength: 6, maxLength: 6 }),
      async (groups, order) => {
        const merged = await Promise.all(
          [0, 1, 2].map((group) => order.filter((_, i) => groups[i] === group))
            .filter((list) => list.length > 0)
            .map((list) => mergeComparisons([...list, list[0]], { partial: true })),
        );
        assertEquals(await mergeComparisons([...merged, merged[0]]), all);
      },
    ),
    { seed: 1, numRuns: 40 },
  );
});

Deno.test("1 process, 4 shards, 11 shards come to the same comparison", async () => {
  const found = (comparison: Awaited<ReturnType<typeof compareOnnx>>) => {
    const { samples, outputs, tensors, sqnr } = comparison;
    return { samples, outputs, tensors, sqnr };
  };
  const one = found(await compareOnnx(model(), quantized, samples));
  assert(one.sqnr > 20 && one.sqnr < 80, `${one.sqnr}`);
  for (const count of [1, 4, 11]) {
    const parts = await partsOf(count);
    const all = await mergeComparisons(parts.toReversed());
    assertEquals(found(openComparison(all)), one);
  }
});

Deno.test("comparisons that do not belong together are refused, and named", async () => {
  const parts = await partsOf(3);
  const refused = async (list: Uint8Array[], message: string) => {
    const error = await assertRejects(() => mergeComparisons(list)) as Error;
    assert(error instanceof OnnxError || error instanceof SafetensorsError, String(error));
    assert(error.message.includes(message), `${message}: ${error.message}`);
  };
  await refused([], "there is no part");
  await refused([parts[0], parts[2]], "of 3 shards one is missing: 1");
  await refused([parts[0], (await partsOf(2))[1]], "part 1 is of a list in 2 shards");
  const other = await partsOf(3, samples.toReversed());
  await refused([parts[0], parts[1], other[1]], "part 2 is shard 1/3, but that was given already");
  const [some, more] = await Promise.all(
    [[0, 1], [1, 2]].map((which) =>
      mergeComparisons(which.map((i) => parts[i]), { partial: true })
    ),
  );
  await refused([some, more], "part 1 has samples that were merged already");
  const own = await compareOnnxPart(model(), quantized, samples);
  await refused([parts[0], own], "part 1: it is of a list of its own");
  const wide = (await quantizeStatic(model(5), samples)).model;
  const ofAnother = await compareOnnxPart(model(5), wide, samples, { shard: { index: 1, of: 3 } });
  await refused([parts[0], ofAnother], "part 1 is of another model");
  for (const length of [0, 9, 300, parts[1].length - 1]) {
    await refused([parts[0], parts[1].slice(0, length)], "part 1");
  }
  await fc.assert(
    fc.asyncProperty(
      fc.nat(parts[1].length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, by) => {
        const altered = parts[1].slice();
        altered[at] ^= by;
        await refused([parts[0], altered], "part 1");
      },
    ),
    { seed: 2, numRuns: 100 },
  );
  await assertRejects(
    () => compareOnnxPart(model(), quantized, samples, { shard: { index: 3, of: 3 } }),
    RangeError,
    "no shard 3 of 3",
  );
});
