/**
 * What several processes have seen, brought together without the model.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { SafetensorsError } from "../../files/safetensors.ts";
import { StateError } from "../../nn/state_error.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { OnnxError, show } from "../file/onnx_error.ts";
import { checkMergeable } from "./calibrate.ts";
import { methodFor } from "./method.ts";
import { checkOrigin, optionsOf, type Origin } from "./origin.ts";
import { readPart, writePart } from "./part.ts";
import { type CalibrationParts, readParts } from "./part_files.ts";
import type { RangeMethod } from "./range_method.ts";
import { checkComplete, countOfSeen, type Seen, SeenTogether } from "./seen_samples.ts";
import {
  areAlike,
  mergeStatistics,
  type SavedStatistics,
  statisticsTensors,
  takeStatistics,
} from "../../quantization/statistics/saved_statistics.ts";

export type { CalibrationParts } from "./part_files.ts";

/** Opens the errors. */
const WHERE = "mergeCalibrations";

/** Options of {@linkcode mergeCalibrations}. */
export interface MergeCalibrationsOptions {
  /** Whether shards may be missing, where the result is merged with others later; not by default. */
  partial?: boolean;
  /** Hears of every part that is merged, and of every one that was counted before. */
  onPart?: (part: MergedPart) => void;
}

/** A part that was looked at. */
export interface MergedPart {
  /** Its name: the path, or its number. */
  readonly name: string;
  /** How many samples it has. */
  readonly samples: number;
  /** Whether all of them were counted before, so that it changed nothing. */
  readonly known: boolean;
}

/** What one file or several say. */
interface Merged {
  readonly origin: Origin;
  readonly method: RangeMethod;
  readonly seen: Seen;
  /** What was seen of each value, in the form of the method. */
  readonly ranges: Map<string, unknown>;
  readonly statistics: SavedStatistics;
}

/**
 * What several calibrations of one model have seen together, as the bytes of a file for
 * {@linkcode OnnxCalibration.from}: the same bytes in whatever order they come, and however they were merged before.
 * Two parts are in memory at a time: the next is read while one is merged. A part that is given twice counts once.
 *
 * @param parts what {@linkcode OnnxCalibration.save} gave, or paths of files that hold it.
 * @throws {OnnxError | SafetensorsError} if there is none, one is damaged or cut off, they are of other models,
 * methods, options or versions, their samples overlap, or shards are missing. Names the part.
 *
 * @example
 * ```ts
 * import { calibrateOnnx, exportOnnx, Linear, mergeCalibrations, randn } from "@staticquant/staticquant";
 * const model = await exportOnnx(new Linear(4, 2), randn([1, 4]));
 * const samples = Array.from({ length: 9 }, () => ({ input: randn([1, 4]) }));
 * const parts: Uint8Array[] = [];
 * for (let index = 0; index < 3; index++) {
 *   const part = await calibrateOnnx(model, samples, { shard: { index, of: 3 } });
 *   parts.push(await part.save());
 * }
 * const all = await mergeCalibrations(parts);
 * console.log(all.length === (await mergeCalibrations(parts.reverse())).length); // true
 * ```
 */
export async function mergeCalibrations(
  parts: CalibrationParts,
  options: MergeCalibrationsOptions = {},
): Promise<Uint8Array> {
  checkOptions(WHERE, options, ["partial", "onPart"]);
  let all: Merged | undefined;
  const seen = new SeenTogether();
  for await (const { name, where, file } of readParts(WHERE, parts)) {
    const one = await readOne(where, file, all);
    if (all) {
      checkMergeable(where, all.method, seen, one.seen);
      checkValues(where, all, one);
    }
    const known = !seen.take(where, one.seen);
    if (all && !known) add(where, all, one);
    all ??= one;
    options.onPart?.({ name, samples: countOfSeen(one.seen), known });
  }
  if (!all) throw new OnnxError(`${WHERE}: there is no part; give at least one`);
  const merged = { ...all, seen: seen.seen() };
  if (!options.partial) checkComplete(WHERE, merged.seen);
  return await written(merged);
}

/** A part, checked as a whole; one of the same origin as others. */
async function readOne(
  where: string,
  file: Uint8Array,
  like: Pick<Merged, "origin" | "method"> | undefined,
): Promise<Merged> {
  let read;
  try {
    read = readPart(where, file);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    throw new SafetensorsError(`${where}: ${error.message}`, { cause: error });
  }
  const { origin, tensors, samples } = read;
  // Before anything is made of numbers that may be altered.
  const seen = await read.seen();
  if (seen.portions.length === 0) {
    throw new OnnxError(`${where}: it is empty, for no sample was seen; leave it out`);
  }
  if (like) checkOrigin(where, origin, like.origin);
  const own = like?.method ?? methodFor(where, optionsOf(where, origin.settings));
  const statistics = takeStatistics(tensors, samples);
  if (typeof statistics === "string") {
    throw new OnnxError(
      `${where}: ${show(statistics)} is nothing that can be learnt; it is damaged`,
    );
  }
  return { origin, method: own, seen, statistics, ranges: rangesOf(where, own, tensors, samples) };
}

/** Values that are observed in one model at most. */
const MOST_VALUES = 1 << 14;

function rangesOf(
  where: string,
  method: RangeMethod,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  samples: number,
): Map<string, unknown> {
  const values = new Map<string, Map<string, SafetensorsEntry>>();
  for (const [key, entry] of tensors) {
    const at = key.lastIndexOf("/");
    const [name, end] = [key.slice(0, at), key.slice(at + 1)];
    if (!method.tensorNames.includes(end)) {
      throw new OnnxError(`${where}: ${show(key)} belongs to no calibration; the file is damaged`);
    }
    const entries = values.get(name) ?? new Map<string, SafetensorsEntry>();
    values.set(name, entries.set(end, entry));
    if (values.size <= MOST_VALUES) continue;
    // What is counted of each takes more memory than the file, where most bins are empty.
    throw new OnnxError(
      `${where}: it tells of more than ${MOST_VALUES} values, which no model has`,
    );
  }
  return new Map([...values].map(([name, entries]) => {
    return [
      name,
      naming(`${where}: the state of ${show(name)}`, () => method.parse(entries, samples)),
    ];
  }));
}

/** Does something with what an observer saves, with errors of this module's. */
function naming<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StateError || error instanceof RangeError)) throw error;
    throw new OnnxError(`${where}: ${error.message}`, { cause: error });
  }
}

/** @throws {OnnxError} if two are not of the same values. */
function checkValues(where: string, a: Merged, b: Merged): void {
  const missing = [...a.ranges.keys()].find((name) => !b.ranges.has(name)) ??
    [...b.ranges.keys()].find((name) => !a.ranges.has(name));
  if (missing === undefined && areAlike(a.statistics, b.statistics)) return;
  throw new OnnxError(
    `${where}: ${
      missing === undefined ? "what was learnt beside ranges" : show(missing)
    } is observed in one part and not in another; they are of different models or damaged`,
  );
}

/** Adds what a part has to what others have together, which is taken over: it may be large. */
function add(where: string, { method, ranges, statistics }: Merged, one: Merged): void {
  for (const [name, saved] of ranges) {
    const both = () => method.merge(saved, one.ranges.get(name));
    ranges.set(name, naming(`${where}: the state of ${show(name)}`, both));
  }
  naming(where, () => mergeStatistics(statistics, one.statistics));
}

async function written({ origin, method, seen, ranges, statistics }: Merged): Promise<Uint8Array> {
  const tensors = new Map<string, SafetensorsEntry>(statisticsTensors(statistics));
  for (const [name, saved] of ranges) {
    for (const [end, entry] of method.write(saved)) tensors.set(`${name}/${end}`, entry);
  }
  return await writePart({ origin, seen, tensors });
}
