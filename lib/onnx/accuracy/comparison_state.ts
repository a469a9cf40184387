/**
 * What comparing two models has summed up, so that it can be saved, and merged with what others have.
 *
 * @module
 */
import { crc32 } from "../../files/checksum.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../files/safetensors.ts";
import { checksumOf } from "../../files/safetensors_checksum.ts";
import { checkOrigin, type Origin } from "../calibration/origin.ts";
import { checkComplete, type Portion, type Seen } from "../calibration/seen_samples.ts";
import { entryOf, numbersOf } from "../../quantization/statistics/statistic.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { ExactNoise } from "./exact_noise.ts";
import { OnnxComparison } from "./comparison.ts";

/** What the file's header calls it. */
const KIND = "staticquant comparison";

/** An output that is compared. */
export interface ComparedOutput {
  readonly name: string;
  readonly noise: ExactNoise;
  /** Rows whose greatest value is at the same place, and all rows; none of what are no classes. */
  classes?: { same: number; rows: number };
}

/** A tensor that is compared. */
export interface ComparedTensor {
  readonly name: string;
  readonly opType: string;
  readonly quantized: boolean;
  readonly noise: ExactNoise;
}

/** A sample that was run. */
export interface ComparedSample {
  /** Where it stands in the list of all samples. */
  readonly place: number;
  /** SQNR of each output, in dB. */
  readonly sqnr: readonly number[];
  /** Milliseconds of the float and of the quantized model. */
  readonly latency: readonly [number, number];
}

/** All of it. */
export interface ComparisonState {
  readonly origin: Origin;
  readonly seen: Seen;
  /** Bytes of the float and of the quantized model. */
  readonly bytes: readonly [number, number];
  readonly outputs: readonly ComparedOutput[];
  readonly tensors: readonly ComparedTensor[];
  readonly samples: ComparedSample[];
}

/** What it comes to. */
export function comparisonOf(state: ComparisonState): OnnxComparison {
  const samples = state.samples.toSorted((a, b) => a.place - b.place);
  const cost = (i: 0 | 1) => ({
    bytes: state.bytes[i],
    latency: samples.map(({ latency }) => latency[i]),
  });
  return new OnnxComparison({
    samples: samples.length,
    outputs: state.outputs.map(({ name, noise, classes }, i) => ({
      name,
      sqnr: noise.sqnr,
      top1: classes && classes.rows > 0 ? classes.same / classes.rows : null,
      sqnrPerSample: samples.map(({ sqnr }) => sqnr[i]),
    })),
    tensors: state.tensors.map(({ name, opType, quantized, noise }) => {
      return { name, opType, quantized, sqnr: noise.sqnr };
    }),
    float: cost(0),
    quantized: cost(1),
  });
}

/** Whether a file says of itself that it is one. */
export function isComparison(metadata: Readonly<Record<string, string>>): boolean {
  return metadata.kind === KIND;
}

/** The bytes of a state; the same one gives the same bytes. */
export function writeComparison(state: ComparisonState): Uint8Array {
  const { origin, seen: { shards, portions }, outputs, tensors } = state;
  const samples = state.samples.toSorted((a, b) => a.place - b.place);
  const noises = [...outputs, ...tensors].map(({ noise }) => noise.save());
  const entries = new Map<string, SafetensorsEntry>([
    ["noise", entryOf(Float64Array.from(noises.flat()))],
    [
      "classes",
      entryOf(Float64Array.from(
        outputs.flatMap(({ classes }) => classes ? [classes.same, classes.rows] : [-1, -1]),
      )),
    ],
    ["place", entryOf(Float64Array.from(samples, ({ place }) => place))],
    ["sqnr", entryOf(Float64Array.from(samples.flatMap(({ sqnr }) => sqnr)))],
    ["latency", entryOf(Float64Array.from(samples.flatMap(({ latency }) => latency)))],
    ["index", entryOf(Int32Array.from(portions, ({ index }) => index))],
    ["samples", entryOf(Float64Array.from(portions, ({ samples }) => samples))],
    ["digest", bytesEntry(portions.map(({ digest }) => digest))],
  ]);
  const metadata: Record<string, string> = {
    kind: KIND,
    ...origin,
    shards: String(shards),
    bytes: JSON.stringify(state.bytes),
    outputs: JSON.stringify(outputs.map(({ name }) => name)),
    tensors: JSON.stringify(
      tensors.map(({ name, opType, quantized }) => [name, opType, quantized]),
    ),
  };
  return serializeSafetensors(entries, { ...metadata, checksum: checksumOf(metadata, entries) });
}

function bytesEntry(parts: readonly Uint8Array[]): SafetensorsEntry {
  const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
  return { dtype: "U8", shape: [bytes.length], bytes };
}

/**
 * A state from its file.
 *
 * @throws {OnnxError | SafetensorsError} if it is none, or damaged.
 */
export function readComparison(where: string, file: Uint8Array): ComparisonState {
  const { tensors: entries, metadata } = parseSafetensors(file);
  const damaged = (): never => {
    throw new OnnxError(`${where}: the file was altered or is damaged; make it anew`);
  };
  if (!isComparison(metadata)) {
    throw new OnnxError(`${where}: the file is no part of a comparison`);
  }
  if (metadata.checksum !== checksumOf(metadata, entries)) damaged();
  const list = (text: string | undefined): unknown[] => {
    try {
      const value: unknown = JSON.parse(text ?? "");
      return Array.isArray(value) ? value : damaged();
    } catch {
      return damaged();
    }
  };
  const { library = "", model = "", settings = "" } = metadata;
  const names = list(metadata.outputs);
  const rows = list(metadata.tensors);
  const bytes = list(metadata.bytes);
  const count = entries.get("place")?.shape[0] ?? damaged();
  const numbers = (name: string, length: number) =>
    numbersOf(entries, name, "F64", length) ?? damaged();
  const noise = numbers("noise", ExactNoise.SAVED * (names.length + rows.length));
  const noiseOf = (i: number) =>
    ExactNoise.load([...noise.subarray(i * ExactNoise.SAVED, (i + 1) * ExactNoise.SAVED)]) ??
      damaged();
  const classes = numbers("classes", 2 * names.length);
  const [place, sqnr, latency] = [
    numbers("place", count),
    numbers("sqnr", count * names.length),
    numbers("latency", 2 * count),
  ];
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (bytes.length !== 2 || !bytes.every(isCount) || !place.every(isCount)) damaged();
  return {
    origin: { library, model, settings },
    seen: seenIn(metadata.shards, entries, count, damaged),
    bytes: bytes as [number, number],
    outputs: names.map((name, i) => {
      if (typeof name !== "string") return damaged();
      const [same, rows] = [classes[2 * i], classes[2 * i + 1]];
      if (same !== -1 && !(isCount(same) && isCount(rows) && same <= rows)) damaged();
      return { name, noise: noiseOf(i), classes: same < 0 ? undefined : { same, rows } };
    }),
    tensors: rows.map((row, i) => {
      const [name, opType, quantized] = Array.isArray(row) ? row : damaged();
      const known = typeof name === "string" && typeof opType === "string" &&
        typeof quantized === "boolean";
      return known ? { name, opType, quantized, noise: noiseOf(names.length + i) } : damaged();
    }),
    samples: Array.from({ length: count }, (_, i) => ({
      place: place[i],
      sqnr: [...sqnr.subarray(i * names.length, (i + 1) * names.length)],
      latency: [latency[2 * i], latency[2 * i + 1]] as const,
    })),
  };
}

function seenIn(
  shards: string | undefined,
  entries: ReadonlyMap<string, SafetensorsEntry>,
  samples: number,
  damaged: () => never,
): Seen {
  const of = /^\d{1,10}$/.test(shards ?? "") ? Number(shards) : damaged();
  const length = entries.get("index")?.shape[0] ?? damaged();
  const indices = numbersOf(entries, "index", "I32", length) ?? damaged();
  const counts = numbersOf(entries, "samples", "F64", length) ?? damaged();
  const digest = entries.get("digest")?.bytes ?? damaged();
  if (digest.length !== 32 * length) damaged();
  const portions = Array.from(indices, (index, i): Portion => {
    const fine = of === 0
      ? index === -1
      : index >= 0 && index < of && (i === 0 || index > indices[i - 1]);
    if (!fine || !Number.isSafeInteger(counts[i]) || counts[i] < 1) damaged();
    return { index, samples: counts[i], digest: digest.slice(32 * i, 32 * i + 32) };
  });
  if (portions.reduce((sum, portion) => sum + portion.samples, 0) !== samples) damaged();
  return { shards: of, portions };
}

/** @throws {OnnxError} if two are not shards of one comparison; `where` opens the message. */
export function checkShards(where: string, a: ComparisonState, b: ComparisonState): void {
  checkOrigin(where, b.origin, a.origin);
  const names = ({ outputs, tensors }: ComparisonState) =>
    JSON.stringify([outputs.map(({ name }) => name), tensors.map(({ name }) => name)]);
  if (names(a) !== names(b)) throw new OnnxError(`${where}: it compares other outputs or tensors`);
  if (a.seen.shards > 0 && b.seen.shards > 0) return;
  throw new OnnxError(`${where}: it is of a list of its own; share one list out by shards`);
}

/** What two have summed up together, but for what they have seen; the samples of the first are taken over. */
export function mergedComparison(a: ComparisonState, b: ComparisonState): ComparisonState {
  const both = (i: number, list: "outputs" | "tensors") =>
    a[list][i].noise.merged(b[list][i].noise);
  for (const sample of b.samples) a.samples.push(sample);
  return {
    ...a,
    outputs: a.outputs.map((output, i) => {
      const [x, y] = [output.classes, b.outputs[i].classes];
      const classes = x && y && { same: x.same + y.same, rows: x.rows + y.rows };
      return { name: output.name, noise: both(i, "outputs"), classes };
    }),
    tensors: a.tensors.map((tensor, i) => ({ ...tensor, noise: both(i, "tensors") })),
  };
}

/** @throws {OnnxError} if shards are missing. */
export function checkWhole(where: string, { seen }: ComparisonState): void {
  checkComplete(where, seen);
}

/** A few digits of what was compared, to tell results of the same shard apart. */
export function resultDigest(samples: readonly ComparedSample[]): Uint8Array {
  const sums = new Uint32Array(8);
  const numbers = Float64Array.from(samples.flatMap(({ place, sqnr }) => [place, ...sqnr]));
  sums[0] = crc32(new Uint8Array(numbers.buffer));
  return new Uint8Array(sums.buffer);
}
