/**
 * The file of what one process or several have seen.
 *
 * @module
 */
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../files/safetensors.ts";
import { checksumOf } from "../../files/safetensors_checksum.ts";
import { hex, sha256 } from "../../files/sha256.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { readSample, writeSample } from "./first_sample.ts";
import type { Origin } from "./origin.ts";
import { SAMPLE_DIGEST_BYTES } from "./sample_digest.ts";
import { countOfSeen, type Portion, type Seen } from "./seen_samples.ts";
import { entryOf, numbersOf } from "../../quantization/statistics/statistic.ts";

/** What the file's header calls it. */
const KIND = "staticquant calibration";

/** The names of tensors that are of no value. */
const PART = "part/";

/** Characters that the names of a model's inputs take at most. */
const MAX_NAMES = 1 << 16;

/** What was seen, as a file has it. */
export interface Part {
  readonly origin: Origin;
  readonly seen: Seen;
  /** The samples that are said to have been seen. */
  readonly samples: number;
  /** Tensors of ranges and of what was learnt. */
  readonly tensors: Map<string, SafetensorsEntry>;
}

/** A part from a file, of which some is only checked when the rest was. */
export interface UncheckedPart extends Omit<Part, "seen"> {
  /** The samples. @throws {OnnxError} if what is told of them is not so, or the file was altered. */
  seen(): Promise<Seen>;
}

/** Whether a file says of itself that it is one. */
export function isPart(metadata: Readonly<Record<string, string>>): boolean {
  return metadata.kind === KIND;
}

/** The bytes of a part; the same part gives the same bytes. */
export async function writePart(
  { origin, seen, tensors }: Omit<Part, "samples">,
): Promise<Uint8Array> {
  const entries = new Map(tensors);
  const { shards, portions, first } = seen;
  entries.set(`${PART}index`, entryOf(Int32Array.from(portions, ({ index }) => index)));
  entries.set(`${PART}samples`, entryOf(Float64Array.from(portions, ({ samples }) => samples)));
  entries.set(`${PART}digest`, bytesEntry(portions.map(({ digest }) => digest)));
  if (portions.every(({ digests }) => digests)) {
    entries.set(`${PART}digests`, bytesEntry(portions.map(({ digests }) => digests!)));
  }
  const sample = first && await writeSample(first);
  sample?.entries.forEach((entry, i) => entries.set(`${PART}input.${i}`, entry));
  const metadata: Record<string, string> = {
    kind: KIND,
    ...origin,
    samples: String(countOfSeen(seen)),
    shards: String(shards),
    ...sample ? { inputs: JSON.stringify(sample.names) } : {},
  };
  return serializeSafetensors(entries, { ...metadata, checksum: checksumOf(metadata, entries) });
}

function bytesEntry(parts: readonly Uint8Array[]): SafetensorsEntry {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { dtype: "U8", shape: [bytes.length], bytes };
}

/** A whole number in digits; nothing if a text is none. */
function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/**
 * A part from its file. Tensors of values are views of the file.
 *
 * @throws {OnnxError | SafetensorsError} if it is none.
 */
export function readPart(where: string, file: Uint8Array): UncheckedPart {
  const { tensors, metadata } = parseSafetensors(file);
  const samples = count(metadata.samples);
  if (!isPart(metadata) || samples === undefined) {
    throw new OnnxError(`${where}: the file is no saved calibration; nothing was loaded`);
  }
  const { library = "", model = "", settings = "" } = metadata;
  const all = [...tensors];
  const own = new Map<string, SafetensorsEntry>();
  for (const name of tensors.keys()) {
    if (!/^part\/(?:index|samples|digests?|input\.\d{1,5})$/.test(name)) continue;
    own.set(name.slice(PART.length), tensors.get(name)!);
    tensors.delete(name);
  }
  const seen = async () => {
    if (metadata.checksum !== checksumOf(metadata, all)) {
      throw new OnnxError(`${where}: the file was altered or damaged, for its checksum is another`);
    }
    return await readSeen(where, metadata, own, samples);
  };
  return { origin: { library, model, settings }, samples, tensors, seen };
}

/** What is told of the samples. */
async function readSeen(
  where: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  samples: number,
): Promise<Seen> {
  const damaged = (): never => {
    throw new OnnxError(`${where}: what the file tells of its samples is not so; it is damaged`);
  };
  const shards = count(metadata.shards) ?? damaged();
  const length = tensors.get("index")?.shape[0] ?? damaged();
  const indices = numbersOf(tensors, "index", "I32", length) ?? damaged();
  const counts = numbersOf(tensors, "samples", "F64", length) ?? damaged();
  const digest = tensors.get("digest")?.bytes ?? damaged();
  const digests = tensors.get("digests")?.bytes;
  if (digest.length !== 32 * length) damaged();
  if (!digests && (shards === 0 || length === 1) && length > 0) damaged();
  const portions: Portion[] = [];
  let at = 0;
  for (let i = 0; i < length; i++) {
    const [index, samples] = [indices[i], counts[i]];
    const after = i === 0 || shards === 0 || index > indices[i - 1];
    const known = shards === 0 ? index === -1 : index >= 0 && index < shards;
    if (!after || !known || !Number.isSafeInteger(samples) || samples < 1) damaged();
    const own = digests?.slice(at, at += samples * SAMPLE_DIGEST_BYTES);
    const portion = { index, samples, digest: digest.slice(32 * i, 32 * i + 32), digests: own };
    if (own && hex(await sha256([own])) !== hex(portion.digest)) damaged();
    portions.push(portion);
  }
  if (digests && at !== digests.length) damaged();
  const seen: Seen = { shards, portions, first: readFirst(metadata.inputs, tensors, damaged) };
  if (countOfSeen(seen) !== samples) damaged();
  return seen;
}

function readFirst(
  inputs: string | undefined,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  damaged: () => never,
): Seen["first"] {
  if (inputs === undefined) return undefined;
  let names: unknown;
  try {
    names = inputs.length > MAX_NAMES ? undefined : JSON.parse(inputs);
  } catch {
    damaged();
  }
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) return damaged();
  return readSample(names, names.map((_, i) => tensors.get(`input.${i}`))) ?? damaged();
}
