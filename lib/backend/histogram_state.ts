/**
 * Histograms that grow without losing a count. A block's bins are `2^exponent` wide and begin at a
 * multiple of that, so a wider range merges whole bins: two, four, … into one. The range never
 * shrinks, so after any order of batches and merges the same values lie in the same bins, and all
 * arithmetic is exact on every device.
 *
 * Layout, in 32-bit words: the min-max state of all blocks (`minmax_state.ts`), an exponent a block,
 * an origin a block (the number of the first bin's lower edge, in bin widths), then the counts'
 * low words, {@linkcode BINS} a block, then their high words.
 *
 * @module
 */
import { emptyMinMaxState, keyFloat, minMaxProblem } from "./minmax_state.ts";

/** Bins a block. More than half of them lie in the range that was seen, unless it is very narrow. */
export const BINS = 4096;

/** The least exponent: bins are not narrower than this, whatever the range. */
export const MIN_EXPONENT = -120;

/** Words before the exponents. */
export function histogramPrefix(blocks: number): number {
  return 2 * blocks + 1;
}

/** The state of `blocks` blocks before any batch. */
export function emptyHistogramState(blocks: number): Uint8Array {
  const prefix = histogramPrefix(blocks);
  const state = new Int32Array(prefix + 2 * blocks + 2 * BINS * blocks);
  state.set(new Int32Array(emptyMinMaxState(blocks).buffer as ArrayBuffer));
  state.fill(MIN_EXPONENT, prefix, prefix + blocks);
  return new Uint8Array(state.buffer);
}

/** The number of the bin, counted from zero's, that holds `x`. */
export function binNumber(x: number, exponent: number): number {
  return Math.floor(x / 2 ** exponent);
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The exponent of the leading bit of a float32, as its bits say. */
function leadingExponent(x: number): number {
  f32[0] = x;
  return Math.max(((u32[0] >>> 23) & 255) - 127, MIN_EXPONENT);
}

/** The grid for `[min, max]`: the least exponent from `exponent` on with which the bins suffice. */
export function chooseGrid(
  min: number,
  max: number,
  exponent: number,
): { exponent: number; origin: number } {
  // Bin numbers stay within 24 bits, so that devices can find them in float32.
  const widest = Math.max(leadingExponent(min), leadingExponent(max));
  let e = Math.max(exponent, widest - 22, MIN_EXPONENT);
  while (binNumber(max, e) - binNumber(min, e) >= BINS) e++;
  return { exponent: e, origin: binNumber(min, e) };
}

/** One block's histogram, on the host. */
export interface Histogram {
  /** The least value seen. */
  readonly min: number;
  /** The greatest value seen. */
  readonly max: number;
  /** Width of a bin. */
  readonly width: number;
  /** Lower edge of the first bin. */
  readonly start: number;
  /** How many values each bin holds. */
  readonly counts: Float64Array;
}

/** The histogram of block `block`. */
export function decodeHistogram(words: Uint32Array, blocks: number, block: number): Histogram {
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  const width = 2 ** signed[prefix + block];
  const low = prefix + 2 * blocks + block * BINS;
  const high = low + blocks * BINS;
  return {
    min: keyFloat(words[block]),
    max: keyFloat(words[blocks + block]),
    width,
    start: signed[prefix + blocks + block] * width,
    counts: Float64Array.from(
      { length: BINS },
      (_, i) => words[low + i] + words[high + i] * 2 ** 32,
    ),
  };
}

/** The greatest exponent that finite numbers lead to. */
const MAX_EXPONENT = 128;

/** High words of counts are below this: a count is exact as a float64. */
const MOST_HIGH = 1 << 21;

/**
 * What is wrong with a state that comes from outside; undefined if a device may have left it: each block has the
 * grid for its range, counts its least and its greatest value, and none beyond them. Zeros at its end may be missing.
 */
export function histogramProblem(words: Uint32Array, blocks: number): string | undefined {
  const range = minMaxProblem(words, blocks);
  if (range) return range;
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  for (let block = 0; block < blocks; block++) {
    const [exponent, origin] = [signed[prefix + block], signed[prefix + blocks + block]];
    const known = exponent >= MIN_EXPONENT && exponent <= MAX_EXPONENT;
    const [min, max] = [keyFloat(words[block]), keyFloat(words[blocks + block])];
    const grid = known ? chooseGrid(min, max, exponent) : undefined;
    if (grid?.exponent !== exponent || grid.origin !== origin) {
      return `the bins of block ${block} do not suit its range`;
    }
    const last = binNumber(max, exponent) - origin;
    if (!countsSuit(words, blocks, block, last)) {
      return `the counts of block ${block} do not suit its range`;
    }
  }
}

/** Whether the first and the last bin of a range hold something, none behind does, and none more than can be counted. */
function countsSuit(words: Uint32Array, blocks: number, block: number, last: number): boolean {
  const low = histogramPrefix(blocks) + 2 * blocks + block * BINS;
  const high = low + blocks * BINS;
  const { length } = words;
  for (let at = low + last + 1; at < Math.min(low + BINS, length); at++) {
    if (words[at] !== 0) return false;
  }
  for (let bin = 0; bin < Math.min(BINS, length - high); bin++) {
    if (words[high + bin] >= (bin > last ? 1 : MOST_HIGH)) return false;
  }
  const holds = (bin: number) => (words[low + bin] | words[high + bin]) !== 0;
  return holds(0) && holds(last);
}

/** The counts of a block as they lie on a wider grid. */
function countsOn(
  words: Uint32Array,
  blocks: number,
  block: number,
  grid: { exponent: number; origin: number },
): Float64Array {
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  const shift = 2 ** (grid.exponent - signed[prefix + block]);
  const origin = signed[prefix + blocks + block];
  const low = prefix + 2 * blocks + block * BINS;
  const high = low + blocks * BINS;
  const counts = new Float64Array(BINS);
  for (let i = 0; i < BINS; i++) {
    const count = words[low + i] + words[high + i] * 2 ** 32;
    if (count !== 0) counts[Math.floor((i + origin) / shift) - grid.origin] += count;
  }
  return counts;
}

/** Brings one block's counts, in place, onto the grid for the minimum and maximum in its keys. */
export function regrid(words: Uint32Array, blocks: number, block: number): void {
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  const [exponent, origin] = [signed[prefix + block], signed[prefix + blocks + block]];
  const grid = chooseGrid(keyFloat(words[block]), keyFloat(words[blocks + block]), exponent);
  if (grid.exponent === exponent && grid.origin === origin) return;
  store(words, blocks, block, grid, countsOn(words, blocks, block, grid));
}

function store(
  words: Uint32Array,
  blocks: number,
  block: number,
  grid: { exponent: number; origin: number },
  counts: Float64Array,
): void {
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  signed[prefix + block] = grid.exponent;
  signed[prefix + blocks + block] = grid.origin;
  const low = prefix + 2 * blocks + block * BINS;
  const high = low + blocks * BINS;
  for (let i = 0; i < BINS; i++) {
    const count = counts[i];
    words[low + i] = count; // modulo 2^32
    words[high + i] = count < 2 ** 32 ? 0 : Math.floor(count / 2 ** 32);
  }
}

/** Adds one to the bin of `x`, which lies on the grid. */
export function countValue(words: Uint32Array, blocks: number, block: number, x: number): void {
  const prefix = histogramPrefix(blocks);
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  const bin = binNumber(x, signed[prefix + block]) - signed[prefix + blocks + block];
  const low = prefix + 2 * blocks + block * BINS + bin;
  if (++words[low] === 0) words[low + blocks * BINS]++;
}

/** Adds one for each number to its bin, where there is one block; they lie on the grid. */
export function countValues(words: Uint32Array, values: Float32Array): void {
  const prefix = histogramPrefix(1);
  const [exponent, origin] = new Int32Array(words.buffer, words.byteOffset + 4 * prefix, 2);
  const perUnit = 2 ** -exponent;
  // Neighbours are often equal, and counting them in turns in two tables spares the waiting.
  const even = new Uint32Array(BINS);
  const odd = new Uint32Array(BINS);
  const { length } = values;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    // Exact, as the width is a power of two.
    even[Math.floor(values[i] * perUnit) - origin]++;
    odd[Math.floor(values[i + 1] * perUnit) - origin]++;
  }
  if (i < length) even[Math.floor(values[i] * perUnit) - origin]++;
  const low = prefix + 2;
  for (let bin = 0; bin < BINS; bin++) {
    const sum = words[low + bin] + even[bin] + odd[bin];
    words[low + bin] = sum;
    if (sum > 0xffffffff) words[low + BINS + bin]++;
  }
}

/**
 * Adds the counts of `b`, at whose end zeros may be missing, to those of `merged`, whose minima and maxima are already
 * those of both. Grids only widen, so the order of merging does not matter.
 *
 * @throws {RangeError} if a bin would hold more than can be counted; `merged` means nothing then.
 */
export function mergeHistograms(merged: Uint32Array, b: Uint32Array, blocks: number): void {
  const prefix = histogramPrefix(blocks);
  const [signed, theirs] = [merged, b].map((words) =>
    new Int32Array(words.buffer, words.byteOffset, words.length)
  );
  for (let block = 0; block < blocks; block++) {
    const [exponent, other] = [signed[prefix + block], theirs[prefix + block]];
    const [min, max] = [keyFloat(merged[block]), keyFloat(merged[blocks + block])];
    const grid = chooseGrid(min, max, Math.max(exponent, other));
    const moved = grid.exponent !== exponent || grid.origin !== signed[prefix + blocks + block];
    if (moved) store(merged, blocks, block, grid, countsOn(merged, blocks, block, grid));
    const from = theirs[prefix + blocks + block];
    const last = binNumber(keyFloat(b[blocks + block]), other) - from;
    const low = prefix + 2 * blocks + block * BINS;
    addCounts(merged, b, { low, high: low + blocks * BINS, bins: last + 1 }, {
      from,
      // Numbers of bins have 24 bits, so that a wider shift changes nothing.
      shift: Math.min(grid.exponent - other, 31),
      to: grid.origin,
    });
  }
}

/** The bit that tells signed numbers apart. */
const SIGN = -(2 ** 31);

/** Where counts lie in both states: their low words and their high ones, and how many are not zero. */
interface CountPlaces {
  readonly low: number;
  readonly high: number;
  readonly bins: number;
}

/** Adds one block's counts to those on a grid that is as wide or wider by a power of two. */
function addCounts(
  merged: Uint32Array,
  b: Uint32Array,
  { low, high, bins }: CountPlaces,
  { from, shift, to }: { readonly from: number; readonly shift: number; readonly to: number },
): void {
  const carry = (bin: number, by: number) => {
    const carried = merged[high + bin] + by;
    if (carried >= MOST_HIGH) {
      throw new RangeError("a bin would hold more values than can be counted, 2^53");
    }
    merged[high + bin] = carried;
  };
  // As signed integers, which are added without becoming floats.
  const sums = new Int32Array(merged.buffer, merged.byteOffset + 4 * low, BINS);
  const lowWords = Math.min(bins, b.length - low);
  const theirs = new Int32Array(b.buffer, b.byteOffset + 4 * low, lowWords);
  for (let i = 0; i < lowWords; i++) {
    const bin = ((i + from) >> shift) - to;
    const sum = (sums[bin] + theirs[i]) | 0;
    sums[bin] = sum;
    // Less than what was added, as an unsigned number: it has gone beyond 2^32.
    if ((sum ^ SIGN) < (theirs[i] ^ SIGN)) carry(bin, 1);
  }
  const highWords = Math.min(bins, b.length - high);
  for (let i = 0; i < highWords; i++) {
    if (b[high + i] !== 0) carry(((i + from) >> shift) - to, b[high + i]);
  }
}
