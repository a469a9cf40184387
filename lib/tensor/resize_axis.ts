/**
 * How one dimension is resized: for each element of the result which of the input's elements it is made
 * of, and with which weights. The formulas are those of ONNX's Resize.
 *
 * @module
 */

/** Where an element of the result lies among those of the input. */
export type CoordinateMode =
  | "half_pixel"
  | "half_pixel_symmetric"
  | "pytorch_half_pixel"
  | "align_corners"
  | "asymmetric"
  | "tf_crop_and_resize";

/** Which of two neighbours is the nearest: by rounding, ties as named, or always the one named. */
export type NearestMode = "round_prefer_floor" | "round_prefer_ceil" | "floor" | "ceil";

/** How a dimension is resized. */
export interface AxisSpec {
  /** Its size before. */
  readonly from: number;
  /** Its size after. */
  readonly to: number;
  /** How much larger it becomes. */
  readonly scale: number;
  readonly mode: "nearest" | "linear" | "cubic";
  readonly coordinates: CoordinateMode;
  readonly nearest: NearestMode;
  /** The parameter of cubic weights. */
  readonly cubicCoeff: number;
  /** Whether weights of elements that lie outside count as 0, and the others for all. */
  readonly excludeOutside: boolean;
  /** Whether more elements are taken together where the dimension becomes smaller. */
  readonly antialias: boolean;
  /** What part of the dimension is resized, from 0 to 1, for `tf_crop_and_resize`. */
  readonly roi: readonly [start: number, end: number];
}

/** What a resized dimension is made of. */
export interface AxisTaps {
  /** Elements that each one is made of. */
  readonly taps: number;
  /** Their indices, for one after the other. */
  readonly index: Int32Array;
  /** Their weights; null if there is one, which is 1. */
  readonly weight: Float32Array | null;
  /** Which elements lie outside of the input, if any may. */
  readonly outside: readonly boolean[] | null;
}

/** The coordinate in the input of element `x` of the result. */
function coordinateOf(x: number, { from, to, scale, coordinates, roi }: AxisSpec): number {
  const length = scale * from;
  switch (coordinates) {
    case "align_corners":
      return to === 1 ? 0 : x * (from - 1) / (length - 1);
    case "asymmetric":
      return Math.fround(x / scale);
    case "pytorch_half_pixel":
      return to === 1 ? 0 : (x + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return from / 2 * (1 - to / length) + (x + 0.5) / scale - 0.5;
    case "tf_crop_and_resize": {
      const [start, end] = roi;
      if (to === 1) return (start + end) * (from - 1) / 2;
      return start * (from - 1) + x * (end - start) * (from - 1) / (length - 1);
    }
    default:
      return (x + 0.5) / scale - 0.5;
  }
}

/** The index nearest to a coordinate. */
function nearestTo(x: number, mode: NearestMode): number {
  switch (mode) {
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    default:
      return Math.ceil(x - 0.5);
  }
}

/** The weight of an element at a distance. */
function weightAt(distance: number, { mode, cubicCoeff: a }: AxisSpec): number {
  const d = Math.abs(distance);
  if (mode === "linear") return Math.max(0, 1 - d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** Which elements each element of the result is made of, and with which weights. */
export function axisTaps(spec: AxisSpec): AxisTaps {
  const { from, to, mode, scale, antialias } = spec;
  const places = Array.from({ length: to }, (_, x) => coordinateOf(x, spec));
  const inside = (i: number) => Math.min(Math.max(i, 0), from - 1);
  const crops = spec.coordinates === "tf_crop_and_resize";
  const outside = crops ? places.map((x) => x < 0 || x > from - 1) : null;
  if (mode === "nearest") {
    const index = Int32Array.from(places, (x) => inside(nearestTo(x, spec.nearest)));
    return { taps: 1, index, weight: null, outside };
  }
  const radius = mode === "linear" ? 1 : 2;
  const narrow = antialias ? Math.min(scale, 1) : 1;
  const start = Math.floor(-radius / narrow) + 1;
  const taps = 2 - 2 * start;
  const index = new Int32Array(to * taps);
  const weight = new Float32Array(to * taps);
  places.forEach((x, j) => {
    const left = Math.floor(x);
    const indices = Array.from({ length: taps }, (_, t) => left + start + t);
    const excluded = (i: number) => spec.excludeOutside && i !== inside(i);
    const weights = indices.map((i) => excluded(i) ? 0 : weightAt((i - x) * narrow, spec));
    const sum = spec.excludeOutside || narrow < 1 ? weights.reduce((a, b) => a + b, 0) : 1;
    indices.forEach((i, t) => {
      index[j * taps + t] = inside(i);
      weight[j * taps + t] = weights[t] / sum;
    });
  });
  return { taps, index, weight, outside };
}
