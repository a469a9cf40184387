/**
 * Pictures for the OCR models, and samples of any model in files that Python reads as well.
 *
 * @module
 */
import type { OnnxFeed } from "../mod.ts";
import type { Shown } from "./zoo.ts";
import { LINE_HEIGHT, type OcrLine, ocrLines } from "../examples/support/ocr_lines.ts";

/** What is to be quantized, and how. */
export interface QuantizeJob {
  readonly model: string;
  readonly output: string;
  /** A path without its ending. */
  readonly samples: string;
  readonly count: number;
  readonly method:
    | "minmax"
    | "percentile"
    | "entropy"
    | "mse"
    | "auto"
    | "latency"
    | "tuned"
    | "dynamic";
  /** Samples held out to tune on, a path without its ending. */
  readonly heldOut?: string;
  /** Seconds that tuning may take, and bytes and time of what comes of it, the time as a share of the float model's. */
  readonly seconds?: number;
  readonly bytes?: number;
  readonly latency?: number;
  readonly percentile: number;
  readonly perChannel: boolean;
  /** Whether the model is prepared by the quantizer's own means first. */
  readonly preprocess: boolean;
}

/** A sample of a model with one input. */
export interface Sample {
  readonly data: Float32Array<ArrayBuffer>;
  readonly dims: readonly number[];
}

/** The width of lines, and the sides of pages. */
const SIDE = 320;
/** Lines on a page. */
const LINES = 5;
/** What the detection network's input is centered on and divided by. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

/** The gray of a line at a place, of its ground beyond its end. */
const grayAt = ({ width, pixels }: OcrLine, x: number, y: number) =>
  pixels[y * width + Math.min(x, width - 1)];

/** Three channels of gray from 0 to 1, each centered and scaled. */
function normalized(
  gray: Float32Array,
  dims: readonly [height: number, width: number],
  mean: number[],
  std: number[],
): Sample {
  const data = new Float32Array(3 * gray.length);
  for (let c = 0; c < 3; c++) {
    gray.forEach((value, i) => data[c * gray.length + i] = (value - mean[c]) / std[c]);
  }
  return { data, dims: [1, 3, ...dims] };
}

/** A line as the recognition network takes it, cut or filled to one width. */
export function lineSample([line]: readonly OcrLine[], width: number): Sample {
  const gray = Float32Array.from(
    { length: LINE_HEIGHT * width },
    (_, i) => grayAt(line, i % width, Math.floor(i / width)) / 255,
  );
  return normalized(gray, [LINE_HEIGHT, width], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
}

/** A square page of lines as the detection network takes it. */
export function pageSample(lines: readonly OcrLine[], side: number): Sample {
  const pitch = side / lines.length;
  const gray = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    const line = lines[Math.floor(y / pitch)];
    const within = Math.min(Math.floor(y % pitch), LINE_HEIGHT - 1);
    for (let x = 0; x < side; x++) gray[y * side + x] = grayAt(line, x, within) / 255;
  }
  return normalized(gray, [side, side], MEAN, STD);
}

/** The networks, and what they are shown. */
export const KINDS = {
  recognition: { lines: 1, sample: lineSample },
  detection: { lines: LINES, sample: pageSample },
} as const;

/** Samples of a kind, drawn from a seed. */
export async function* drawSamples(
  kind: keyof typeof KINDS,
  seed: number,
  count: number,
): AsyncGenerator<Sample> {
  const { lines: each, sample } = KINDS[kind];
  const lines = await ocrLines(seed, count * each);
  for (let i = 0; i < count; i++) yield sample(lines.slice(i * each, (i + 1) * each), SIDE);
}

/** Pictures of digits as samples. */
export function* digitSamples({ images, side, count }: Shown): Generator<Sample> {
  const pixels = side * side;
  for (let i = 0; i < count; i++) {
    yield { data: images.slice(i * pixels, (i + 1) * pixels), dims: [1, 1, side, side] };
  }
}

/** What a model is given for one sample. */
export type Feeds = Readonly<Record<string, OnnxFeed>>;

/** The arrays that numbers are kept in. */
const ARRAYS = { float32: Float32Array, int64: BigInt64Array } as const;
type Kept = keyof typeof ARRAYS;

/** Where an input of a sample lies. */
interface Place {
  readonly type: Kept;
  readonly dims: readonly number[];
  readonly offset: number;
}

/** Writes samples: `PATH.json` says types, shapes and offsets, `PATH.bin` holds the numbers. */
export async function writeFeeds(
  path: string,
  all: Iterable<Feeds> | AsyncIterable<Feeds>,
): Promise<void> {
  const samples: Record<string, Place>[] = [];
  const file = await Deno.open(`${path}.bin`, { write: true, create: true, truncate: true });
  const writer = file.writable.getWriter();
  let offset = 0;
  for await (const feeds of all) {
    const sample: Record<string, Place> = {};
    for (const [name, { data, dims }] of Object.entries(feeds)) {
      const array = data as Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;
      const type = array instanceof Float32Array ? "float32" : "int64";
      await writer.write(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      sample[name] = { type, dims, offset };
      offset += array.byteLength;
    }
    samples.push(sample);
  }
  await writer.close();
  await Deno.writeTextFile(`${path}.json`, JSON.stringify(samples));
}

/** Reads samples one at a time. */
export async function* readFeeds(path: string, count: number): AsyncGenerator<Feeds> {
  const samples: Record<string, Place>[] = JSON.parse(await Deno.readTextFile(`${path}.json`));
  const file = await Deno.open(`${path}.bin`);
  try {
    for (const sample of samples.slice(0, count)) {
      const feeds: Record<string, OnnxFeed> = {};
      for (const [name, { type, dims, offset }] of Object.entries(sample)) {
        const data = new ARRAYS[type](dims.reduce((a, b) => a * b, 1));
        const bytes = new Uint8Array(data.buffer);
        await file.seek(offset, Deno.SeekMode.Start);
        for (let at = 0; at < bytes.length;) {
          at += await file.read(bytes.subarray(at)) ?? bytes.length;
        }
        feeds[name] = { type, data, dims };
      }
      yield feeds;
    }
  } finally {
    file.close();
  }
}

/** Writes samples of a model with one input. */
export async function writeSamples(
  path: string,
  input: string,
  all: Iterable<Sample> | AsyncIterable<Sample>,
): Promise<void> {
  async function* feeds() {
    for await (const { data, dims } of all) yield { [input]: { data, dims } };
  }
  await writeFeeds(path, feeds());
}

/** Reads samples of a model with one input. */
export async function* readSamples(
  path: string,
  count: number,
): AsyncGenerator<Record<string, Sample>> {
  for await (const feeds of readFeeds(path, count)) yield feeds as Record<string, Sample>;
}
