/**
 * What several processes have learnt, merged as it lies in their files, without the model.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import type { ExactSums } from "../../numbers/exact_sum.ts";
import { sumsAsTensors, sumsOf } from "./saved_sums.ts";
import { countOf, entryOf, numbersOf, type SavedTensors } from "./statistic.ts";

/** The ends of the names of tensors of statistics. */
const ENDS: ReadonlySet<string> = new Set(["maxima", "places", "digits", "count"]);

/** Maxima of channels, or exact sums and a count. */
type Saved =
  | { readonly maxima: Float32Array }
  | { readonly sums: ExactSums; count: number };

/** Statistics by the beginnings of their tensors' names. */
export type SavedStatistics = ReadonlyMap<string, Saved>;

/** How many numbers a tensor has. */
function lengthOf(saved: SavedTensors, name: string): number {
  return saved.get(name)?.shape[0] ?? 0;
}

function parsed(saved: SavedTensors, samples: number): Saved | undefined {
  if (saved.has("maxima")) {
    const maxima = numbersOf(saved, "maxima", "F32", lengthOf(saved, "maxima"));
    const fine = maxima?.every((x) => x >= 0 && x < Infinity && !Object.is(x, -0));
    return fine && saved.size === 1 ? { maxima: maxima! } : undefined;
  }
  const sums = sumsOf(saved, lengthOf(saved, "places"), samples);
  const count = countOf(saved, "count");
  return sums && count !== undefined ? { sums, count } : undefined;
}

/**
 * The statistics among the tensors of a file, which are taken out of them; the name of one that cannot have been seen
 * in so many samples.
 */
export function takeStatistics(
  tensors: Map<string, SafetensorsEntry>,
  samples: number,
): SavedStatistics | string {
  const groups = new Map<string, Map<string, SafetensorsEntry>>();
  for (const [name, entry] of [...tensors]) {
    const at = name.lastIndexOf("/");
    const end = name.slice(at + 1);
    if (!ENDS.has(end)) continue;
    const group = groups.get(name.slice(0, at)) ?? new Map<string, SafetensorsEntry>();
    groups.set(name.slice(0, at), group.set(end, entry));
    tensors.delete(name);
  }
  const all = new Map<string, Saved>();
  for (const [name, group] of groups) {
    const saved = parsed(group, samples);
    if (!saved) return name;
    all.set(name, saved);
  }
  return all;
}

/** Whether both are of the same values and sizes. */
export function areAlike(a: SavedStatistics, b: SavedStatistics): boolean {
  const size = (saved: Saved | undefined) =>
    saved && ("maxima" in saved ? `m${saved.maxima.length}` : `s${saved.sums.length}`);
  return a.size === b.size && [...a].every(([name, saved]) => size(saved) === size(b.get(name)));
}

/** Takes the second in into the first; they are alike. */
export function mergeStatistics(into: SavedStatistics, more: SavedStatistics): void {
  for (const [name, saved] of into) {
    const other = more.get(name)!;
    if ("maxima" in saved && "maxima" in other) {
      other.maxima.forEach((x, c) => {
        if (x > saved.maxima[c]) saved.maxima[c] = x;
      });
    } else if ("sums" in saved && "sums" in other) {
      saved.sums.merge(other.sums);
      saved.count += other.count;
    }
  }
}

/** The tensors of statistics, by names in a file. */
export function* statisticsTensors(
  statistics: SavedStatistics,
): Generator<[name: string, entry: SafetensorsEntry]> {
  for (const [name, saved] of statistics) {
    if ("maxima" in saved) {
      yield [`${name}/maxima`, entryOf(saved.maxima)];
      continue;
    }
    for (const [end, entry] of sumsAsTensors(saved.sums)) yield [`${name}/${end}`, entry];
    yield [`${name}/count`, entryOf(Float64Array.of(saved.count))];
  }
}
