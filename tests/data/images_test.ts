import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import sharp from "sharp";
import { DataError } from "../../lib/data/data_error.ts";
import type { ImageOptions } from "../../lib/data/image_options.ts";
import { readSamples } from "../../lib/data/read_samples.ts";
import { normalizePixels } from "../../lib/data/pixels.ts";
import { stretch } from "../../lib/data/resample.ts";
import type { TensorInfo } from "../../lib/data/sample.ts";
import { input, samples, TestFolder, values } from "./files.ts";

const nchw = input("x", "batch", 3, 2, 4);

/** An image with one colour at the left and one at the right. */
async function halves(height: number, width: number): Promise<Uint8Array> {
  const data = new Uint8Array(height * width * 3);
  for (let i = 0; i < height * width; i++) {
    data.set(i % width < width / 2 ? [255, 51, 0] : [0, 102, 255], 3 * i);
  }
  return await sharp(data, { raw: { height, width, channels: 3 } }).png().toBuffer();
}

async function planes(
  image: Uint8Array,
  model: TensorInfo,
  options: Parameters<typeof samples>[2] = {},
): Promise<[readonly number[], number[]]> {
  using folder = new TestFolder();
  const [read] = await values(folder.write("a.png", image), [model], options);
  return [read[0], read[1].map((value) => Math.round(value * 100) / 100)];
}

Deno.test("an image becomes planes of numbers from 0 to 1", async () => {
  const image = await halves(2, 4);
  assertEquals(await planes(image, nchw), [[1, 3, 2, 4], [
    ...[1, 1, 0, 0, 1, 1, 0, 0],
    ...[0.2, 0.2, 0.4, 0.4, 0.2, 0.2, 0.4, 0.4],
    ...[0, 0, 1, 1, 0, 0, 1, 1],
  ]]);
});

Deno.test("layout, channels, scale, mean and std are heeded", async () => {
  const image = await halves(2, 2);
  const nhwc = input("x", 1, 2, 2, 3);
  const row = [1, 0.2, 0, 0, 0.4, 1];
  assertEquals(await planes(image, nhwc), [[1, 2, 2, 3], [...row, ...row]]);
  assertEquals((await planes(image, nhwc, { image: { channels: "bgr" } }))[1].slice(0, 6), [
    ...[0, 0.2, 1],
    ...[1, 0.4, 0],
  ]);
  const normalized = { scale: 1, mean: [255, 51, 0], std: [255, 51, 5] };
  assertEquals((await planes(image, nhwc, { image: normalized }))[1].slice(0, 6), [
    ...[0, 0, 0],
    ...[-1, 1, 51],
  ]);
  const flat = input("x", 1, 2, 2);
  const gray = { scale: 1 };
  const luma = [0.299 * 255 + 0.587 * 51, 0.587 * 102 + 0.114 * 255].map(Math.round);
  assertEquals(await planes(image, flat, { image: gray }), [[1, 2, 2], [...luma, ...luma]]);
});

Deno.test("an image of another aspect is stretched, padded or cropped", async () => {
  const image = await halves(4, 4);
  const red = async (resize?: "stretch" | "pad" | "letterbox" | "crop", padValue = 0) =>
    (await planes(image, nchw, { image: { resize, padValue, scale: 1 } }))[1].slice(0, 4)
      .map((value) => [0, 128, 255].find((pure) => Math.abs(value - pure) < 40));
  assertEquals(await red(), [255, 255, 0, 0]);
  assertEquals(await red("pad"), [255, 0, 0, 0]);
  assertEquals(await red("pad", 128), [255, 0, 128, 128]);
  assertEquals(await red("letterbox", 128), [128, 255, 0, 128]);
  assertEquals(await red("crop"), [255, 255, 0, 0]);
});

Deno.test("resizing has the numbers of Pillow's BILINEAR", () => {
  const line = [0, 100, 200, 100, 0, 50];
  const data = Uint8Array.from(line.flatMap((value) => [value, value, value]));
  const resized = (height: number, width: number) => {
    const { data: pixels } = stretch({ data, height: 1, width: 6 }, height, width);
    return [...pixels].filter((_, i) => i % 3 === 0);
  };
  // What Pillow 13 gives for the same line.
  assertEquals(resized(1, 12), [0, 25, 75, 125, 175, 175, 125, 75, 25, 13, 38, 50]);
  assertEquals(resized(1, 3), [71, 125, 36]);
  assertEquals(resized(1, 4), [38, 156, 78, 31]);
  assertEquals(resized(1, 6), line);
  assertEquals(resized(2, 6), [...line, ...line]);
});

Deno.test("a side that is open keeps the aspect, rounded as told", async () => {
  const image = await halves(4, 10);
  const open = input("x", "batch", 3, "height", "width");
  const dims = async (size: [number | "auto", number | "auto"], multipleOf?: number) =>
    (await planes(image, open, { image: { size, multipleOf } }))[0];
  assertEquals(await dims([2, "auto"]), [1, 3, 2, 5]);
  assertEquals(await dims(["auto", 5]), [1, 3, 2, 5]);
  assertEquals(await dims(["auto", "auto"]), [1, 3, 4, 10]);
  assertEquals(await dims(["auto", "auto"], 8), [1, 3, 8, 8]);
});

Deno.test("transparency lies on black, and grey images have three equal channels", async () => {
  const transparent = await sharp({
    create: { width: 4, height: 2, channels: 4, background: { r: 255, g: 255, b: 255, alpha: 0 } },
  }).png().toBuffer();
  assertEquals((await planes(transparent, nchw))[1], new Array(24).fill(0));
  const raw = new Uint8Array(8).fill(51);
  const grey = await sharp(raw, { raw: { width: 4, height: 2, channels: 1 } }).png().toBuffer();
  assertEquals((await planes(grey, nchw))[1], new Array(24).fill(0.2));
});

Deno.test("a photograph that is turned by its orientation is read upright", async () => {
  const turned = await sharp(await halves(4, 2)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const open = input("x", 1, 3, "height", "width");
  assertEquals((await planes(turned, open, { image: { size: ["auto", "auto"] } }))[0], [
    1,
    3,
    2,
    4,
  ]);
});

Deno.test("grey is rounded, and one mean stands for all channels", () => {
  const image = { data: Uint8Array.of(10, 20, 30), height: 1, width: 1 };
  const options = { scale: 1, mean: [1], std: [2] };
  const of = (
    channels: "rgb" | "gray",
  ) => [...normalizePixels(image, { ...options, layout: "nchw", channels })];
  assertEquals(of("rgb"), [4.5, 9.5, 14.5]);
  assertEquals(of("gray"), [(18 - 1) / 2]);
});

Deno.test("images with bytes changed or cut off are read or refused, never more than that", async () => {
  using folder = new TestFolder();
  const png = await halves(8, 8);
  const jpeg = await sharp(png).jpeg().toBuffer();
  const mutation = fc.record({
    jpeg: fc.boolean(),
    at: fc.nat(),
    byte: fc.nat(255),
    cut: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ jpeg: isJpeg, at, byte, cut }) => {
      const image = Uint8Array.from(isJpeg ? jpeg : png);
      image[at % image.length] = byte;
      const path = folder.write("a.png", cut % 3 ? image : image.slice(0, cut % image.length));
      try {
        const [{ x }] = await samples(path, [nchw]);
        assertEquals(x.data.length, 24);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
      }
    }),
    { numRuns: 200, seed: 5 },
  );
});

Deno.test("what is no image, or does not fit, says so", async () => {
  using folder = new TestFolder();
  const image = await halves(2, 4);
  const path = folder.write("a.png", image);
  const refused = (
    message: string,
    model: TensorInfo,
    image: NonNullable<Parameters<typeof samples>[2]>["image"] = {},
  ) => assertRejects(() => samples(path, [model], { image }), DataError, message);
  await refused("`image.size`", input("x", 1, 3, "height", "width"));
  await refused("takes no images", input("x", 1, 3));
  await refused("8 images at once", input("x", 8, 3, 2, 4));
  await refused("see `image.layout`", input("x", 1, 4, 2, 4));
  await refused("the height given is 9", nchw, { size: [9, 4] });
  await refused("`image.mean` has 2 numbers for 3 channels", nchw, { mean: [1, 2] });
  await refused("images become float32", { ...nchw, dtype: "uint8" });
  await assertRejects(() => samples(path, [nchw, nchw]), DataError, "2 inputs");

  const damaged: [string, Uint8Array][] = [
    ["no image", new Uint8Array(50)],
    ["cannot be read", image.slice(0, 60)],
    ["no image", new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>')],
  ];
  for (const [message, bytes] of damaged) {
    const path = folder.write("b.png", bytes);
    const error = await assertRejects(() => samples(path, [nchw]), DataError, message);
    assertEquals(error.message.startsWith(path), true, error.message);
  }
});

Deno.test("an image that claims or takes far more than a sample is refused", async () => {
  using folder = new TestFolder();
  const png = await sharp({
    create: { width: 1, height: 300_000, channels: 3, background: "#204060" },
  }).png().toBuffer();
  const path = folder.write("a.png", png);
  const thin = (image: { size: [number, number]; resize?: "crop" | "pad" | "stretch" }) =>
    samples(path, [input("x", 1, 3, "h", "w")], { image });
  await assertRejects(() => thin({ size: [224, 224] }), DataError, "too much memory");
  await assertRejects(
    () => thin({ size: [224, 224], resize: "crop" }),
    DataError,
    "too much memory",
  );
  assertEquals((await thin({ size: [224, 224], resize: "pad" })).length, 1);
  assertEquals((await thin({ size: [30, 1] })).length, 1);

  // 60,000 × 60,000 by its header.
  const claims = Uint8Array.from(png);
  new DataView(claims.buffer).setUint32(16, 60_000);
  new DataView(claims.buffer).setUint32(20, 60_000);
  const huge = folder.write("b.png", claims);
  await assertRejects(() => samples(huge, [nchw]), DataError, "cannot be read");
});

Deno.test("images that are stretched without being asked to are spoken of, once", async () => {
  using folder = new TestFolder();
  const inputs = [input("x", 1, 3, 4, 4)];
  for (const [i, [height, width]] of [[4, 4], [16, 15], [8, 4], [4, 8]].entries()) {
    folder.write(`${i}.png`, await halves(height, width));
  }
  const warnings = async (image: ImageOptions) => {
    const said: string[] = [];
    const onWarning = (warning: string) => void said.push(warning);
    for await (const _ of readSamples(folder.path, inputs, { image, onWarning })) { /* read */ }
    return said;
  };
  const [warning, ...others] = await warnings({});
  assertEquals(others, []);
  assertEquals(
    warning,
    `${folder.path}/2.png is stretched from 8 × 4 pixels to 4 × 4, which deforms it; others may be ` +
      "too. See `image.resize`",
  );
  for (const resize of ["crop", "pad", "letterbox", "stretch"] as const) {
    assertEquals(await warnings({ resize }), []);
  }
});
