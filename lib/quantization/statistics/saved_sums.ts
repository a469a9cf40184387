/**
 * Exact sums as tensors.
 *
 * @module
 */
import { ExactSums } from "../../numbers/exact_sum.ts";
import { entryOf, numbersOf, type SavedTensors } from "./statistic.ts";

/** Places that sums of products of float32 numbers have. */
const PLACES = { least: -49, most: 46, none: -0x80000000 };

/** The tensors of sums. */
export function sumsAsTensors(sums: ExactSums): SavedTensors {
  const { places, digits } = sums.save();
  return new Map([["places", entryOf(places)], ["digits", entryOf(digits)]]);
}

/** So many sums of `samples` numbers at most, as they were saved; nothing if these are none. */
export function sumsOf(
  saved: SavedTensors,
  length: number,
  samples: number,
): ExactSums | undefined {
  const places = numbersOf(saved, "places", "F64", length);
  const digits = numbersOf(saved, "digits", "F64", 3 * length);
  const { least, most, none } = PLACES;
  const fine = places?.every((place) => place === none || place >= least && place <= most);
  return fine && digits ? ExactSums.load({ places: places!, digits }, samples) : undefined;
}
