/**
 * Comparisons that are shared out.
 *
 * @module
 */
import { SafetensorsError } from "../../files/safetensors.ts";
import type { OnnxSource } from "../calibration/calibrate.ts";
import type { MergeCalibrationsOptions } from "../calibration/merge.ts";
import { type CalibrationParts, readParts } from "../calibration/part_files.ts";
import type { OnnxSamples, ShardedSamples } from "../calibration/samples.ts";
import { countOfSeen, SeenTogether } from "../calibration/seen_samples.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { type CompareOnnxOptions, compareState } from "./compare_onnx.ts";
import type { OnnxComparison } from "./comparison.ts";
import {
  checkShards,
  checkWhole,
  comparisonOf,
  type ComparisonState,
  mergedComparison,
  readComparison,
  writeComparison,
} from "./comparison_state.ts";

/**
 * Compares two models as {@linkcode compareOnnx} does, on a share of the samples, and gives what it summed up as the
 * bytes of a file for {@linkcode mergeComparisons}.
 *
 * @throws {Error} as `compareOnnx` does.
 *
 * @example
 * ```ts
 * import { compareOnnxPart, exportOnnx, Linear, mergeComparisons, openComparison, randn } from "@staticquant/staticquant";
 * const model = await exportOnnx(new Linear(4, 3), randn([1, 4]));
 * const samples = Array.from({ length: 4 }, () => ({ input: randn([1, 4]) }));
 * const part = (index: number) => compareOnnxPart(model, model, samples, { shard: { index, of: 2 } });
 * const all = openComparison(await mergeComparisons([await part(1), await part(0)]));
 * console.log(all.samples, all.sqnr); // 4 Infinity
 * ```
 */
export async function compareOnnxPart(
  float: OnnxSource,
  quantized: OnnxSource,
  data: OnnxSamples | ShardedSamples,
  options: CompareOnnxOptions = {},
): Promise<Uint8Array> {
  return writeComparison(await compareState("compareOnnxPart", float, quantized, data, options));
}

/**
 * What several processes have summed up together, as the bytes of a file: the same in any order but for times. A part
 * that is given twice counts once.
 *
 * @param parts what {@linkcode compareOnnxPart} gave, or paths of files that hold it.
 * @throws {OnnxError | SafetensorsError} if one is damaged, they are of other models or versions, overlap, or shards
 * are missing. Names the part.
 *
 * @example
 * ```ts
 * import { compareOnnxPart, exportOnnx, Linear, mergeComparisons, randn } from "@staticquant/staticquant";
 * const model = await exportOnnx(new Linear(4, 3), randn([1, 4]));
 * const shard = { index: 0, of: 1 };
 * const part = await compareOnnxPart(model, model, [{ input: randn([1, 4]) }], { shard });
 * console.log((await mergeComparisons([part, part])).length === part.length); // true
 * ```
 */
export async function mergeComparisons(
  parts: CalibrationParts,
  options: MergeCalibrationsOptions = {},
): Promise<Uint8Array> {
  let all: ComparisonState | undefined;
  const seen = new SeenTogether();
  for await (const { name, where, file } of readParts("mergeComparisons", parts)) {
    const one = read(where, file);
    if (all) checkShards(where, all, one);
    const known = !seen.take(where, one.seen);
    if (all && !known) all = mergedComparison(all, one);
    all ??= one;
    options.onPart?.({ name, samples: countOfSeen(one.seen), known });
  }
  if (!all) throw new OnnxError("mergeComparisons: there is no part; give at least one");
  const merged = { ...all, seen: seen.seen() };
  if (!options.partial) checkWhole("mergeComparisons", merged);
  return writeComparison(merged);
}

/**
 * What a comparison in a file comes to.
 *
 * @param file what {@linkcode mergeComparisons} or {@linkcode compareOnnxPart} gave.
 * @throws {OnnxError | SafetensorsError} if it is damaged, or shards are missing.
 *
 * @example
 * ```ts
 * import { compareOnnxPart, exportOnnx, Linear, openComparison, randn } from "@staticquant/staticquant";
 * const model = await exportOnnx(new Linear(4, 3), randn([1, 4]));
 * const file = await compareOnnxPart(model, model, [{ input: randn([1, 4]) }]);
 * console.log(openComparison(file).samples); // 1
 * ```
 */
export function openComparison(file: Uint8Array): OnnxComparison {
  const state = readComparison("openComparison", file);
  checkWhole("openComparison", state);
  return comparisonOf(state);
}

function read(where: string, file: Uint8Array): ComparisonState {
  try {
    return readComparison(where, file);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    throw new SafetensorsError(`${where}: ${error.message}`, { cause: error });
  }
}
