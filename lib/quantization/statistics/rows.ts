/**
 * The rows that a node multiplies with its weight.
 *
 * @module
 */
import { type Channels, spread } from "./channels.ts";

/** How a convolution takes rows out of its input. */
export interface RowWindow {
  /** Its taps along each dimension. */
  readonly kernel: readonly number[];
  /** The steps from one place to the next. */
  readonly strides: readonly number[];
  /** The steps from one tap to the next. */
  readonly dilations: readonly number[];
  /** Before and after each dimension, or `SAME_UPPER`, `SAME_LOWER`: such as give `ceil(size / stride)` places. */
  readonly pads:
    | readonly (readonly [before: number, after: number])[]
    | "SAME_UPPER"
    | "SAME_LOWER";
}

/** The rows of an activation: along its channels, or of the patches under a window. */
export interface ReadRows {
  /** Where the channels lie. */
  readonly channels: Channels;
  /** Groups of channels, each multiplied with a weight of its own. */
  readonly groups: number;
  /** The window; without it a row is one element of each channel. */
  readonly window?: RowWindow;
}

/** Numbers in a row of one group. */
export function rowLength({ channels, groups, window }: ReadRows): number {
  const taps = window?.kernel.reduce((a, b) => a * b, 1) ?? 1;
  return channels.count / groups * taps;
}

/** A piece of the rows of a sample. */
export interface Columns {
  /** Number `k` of row `r` of group `g` at `(g·K + k)·n + r`. */
  readonly columns: Float32Array;
  /** How many rows these are. */
  readonly n: number;
}

/** Floats that are gathered at a time. */
const CHUNK = 1 << 22;

/**
 * The rows of one sample, a piece at a time; their numbers come in the order in which a weight
 * `(out, channels / groups, …kernel)` has them.
 */
export function* columnsOf(
  rows: ReadRows,
  data: Float32Array,
  dims: readonly number[],
): Generator<Columns> {
  if (data.length === 0) return;
  if (rows.window) yield* patches(rows, rows.window, data, dims);
  else yield* plainRows(rows, data, dims);
}

/** How many rows a sample has. */
export function rowCount({ channels, window }: ReadRows, dims: readonly number[]): number {
  if (!window) {
    const { outer, inner } = spread(channels, dims);
    return outer * inner;
  }
  const [batch, , ...sizes] = dims;
  return placesFor(window, sizes).reduce((a, b) => a * b, batch);
}

/** The numbers of some rows of one sample, one column after the other: number `k` of row `r` of group `g` at `(g·K + k)·n + r`. */
export function columnsAt(
  rows: ReadRows,
  data: Float32Array,
  dims: readonly number[],
  some: readonly number[],
): Float32Array {
  const { channels, window } = rows;
  const n = some.length;
  const { inner } = spread(channels, dims);
  const { count } = channels;
  if (!window) {
    const columns = new Float32Array(count * n);
    some.forEach((row, r) => {
      const from = Math.floor(row / inner) * count * inner + row % inner;
      for (let c = 0; c < count; c++) columns[c * n + r] = data[from + c * inner];
    });
    return columns;
  }
  const sizes = dims.slice(2);
  const { kernel } = window;
  const pads = padsFor(window, sizes);
  const places = placesFor(window, sizes);
  const [taps, perImage] = [kernel, places].map((each) => each.reduce((a, b) => a * b, 1));
  const columns = new Float32Array(count * taps * n);
  const tap = kernel.map(() => 0);
  for (let t = 0; t < taps; t++) {
    decompose(t, kernel, tap);
    some.forEach((row, r) => {
      const inside = offsetOf(row % perImage, tap, { sizes, places, window, pads });
      if (inside < 0) return;
      const from = Math.floor(row / perImage) * count * inner + inside;
      for (let c = 0; c < count; c++) columns[(c * taps + t) * n + r] = data[from + c * inner];
    });
  }
  return columns;
}

function* plainRows(
  { channels }: ReadRows,
  data: Float32Array,
  dims: readonly number[],
): Generator<Columns> {
  const { outer, inner } = spread(channels, dims);
  const { count } = channels;
  // Channels first, of one image: they are columns as they lie.
  if (outer === 1) {
    yield { columns: data, n: inner };
    return;
  }
  const all = outer * inner;
  const most = Math.max(1, Math.floor(CHUNK / count));
  for (let begin = 0; begin < all; begin += most) {
    const n = Math.min(most, all - begin);
    const columns = new Float32Array(count * n);
    for (let r = 0; r < n; r++) {
      const o = Math.floor((begin + r) / inner);
      const from = o * count * inner + (begin + r) % inner;
      for (let c = 0; c < count; c++) columns[c * n + r] = data[from + c * inner];
    }
    yield { columns, n };
  }
}

function* patches(
  rows: ReadRows,
  window: RowWindow,
  data: Float32Array,
  dims: readonly number[],
): Generator<Columns> {
  const { count } = rows.channels;
  const [batch, , ...sizes] = dims;
  const { kernel } = window;
  const pads = padsFor(window, sizes);
  const places = placesFor(window, sizes);
  const product = (numbers: readonly number[]) => numbers.reduce((a, b) => a * b, 1);
  const [inner, taps, perImage] = [product(sizes), product(kernel), product(places)];
  const all = batch * perImage;
  const most = Math.max(1, Math.floor(CHUNK / (count * taps)));
  const tap = kernel.map(() => 0);
  for (let begin = 0; begin < all; begin += most) {
    const n = Math.min(most, all - begin);
    const columns = new Float32Array(count * taps * n);
    for (let t = 0; t < taps; t++) {
      decompose(t, kernel, tap);
      for (let r = 0; r < n; r++) {
        const row = begin + r;
        const inside = offsetOf(row % perImage, tap, { sizes, places, window, pads });
        if (inside < 0) continue; // what is outside of the picture is 0
        const from = Math.floor(row / perImage) * count * inner + inside;
        for (let c = 0; c < count; c++) {
          columns[(c * taps + t) * n + r] = data[from + c * inner];
        }
      }
    }
    yield { columns, n };
  }
}

/** An index as one of each dimension. */
function decompose(index: number, sizes: readonly number[], into: number[]): void {
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    into[axis] = index % sizes[axis];
    index = Math.floor(index / sizes[axis]);
  }
}

/** Where a tap of the window at a place reads in a channel; −1 outside of the picture. */
function offsetOf(
  place: number,
  tap: readonly number[],
  { sizes, places, window, pads }: {
    sizes: readonly number[];
    places: readonly number[];
    window: RowWindow;
    pads: readonly (readonly [number, number])[];
  },
): number {
  let offset = 0;
  let stride = 1;
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const at = place % places[axis] * window.strides[axis] + tap[axis] * window.dilations[axis] -
      pads[axis][0];
    if (at < 0 || at >= sizes[axis]) return -1;
    offset += at * stride;
    stride *= sizes[axis];
    place = Math.floor(place / places[axis]);
  }
  return offset;
}

/** How often a window fits along each dimension. */
function placesFor(window: RowWindow, sizes: readonly number[]): number[] {
  const { kernel, strides, dilations } = window;
  const pads = padsFor(window, sizes);
  return sizes.map((size, i) => {
    const reach = (kernel[i] - 1) * dilations[i] + 1;
    return Math.max(Math.floor((size + pads[i][0] + pads[i][1] - reach) / strides[i]) + 1, 0);
  });
}

function padsFor(
  { pads, kernel, strides, dilations }: RowWindow,
  sizes: readonly number[],
): readonly (readonly [number, number])[] {
  if (typeof pads !== "string") return pads;
  return sizes.map((size, i) => {
    const reach = (kernel[i] - 1) * dilations[i] + 1;
    const all = Math.max((Math.ceil(size / strides[i]) - 1) * strides[i] + reach - size, 0);
    const less = Math.floor(all / 2);
    return pads === "SAME_UPPER" ? [less, all - less] : [all - less, less];
  });
}
