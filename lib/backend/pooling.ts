/**
 * Pooling as backends take it.
 *
 * @module
 */
import type { DeviceBuffer } from "./operand.ts";

/** Windows of one size, a stride apart; one number a spatial dimension. */
export interface PoolWindows {
  /** Their sizes. */
  readonly kernel: readonly number[];
  /** How far apart neighbouring windows lie. */
  readonly stride: readonly number[];
  /** What stands before the input. */
  readonly before: readonly number[];
  /** What stands after it. */
  readonly after: readonly number[];
  /** How far apart the numbers are that a window takes. */
  readonly dilation: readonly number[];
}

/**
 * How means of bytes become bytes, as onnxruntime's CPU kernels have it:
 * `clamp(roundHalfEven(f32(Σ(q − xZeroPoint))·(xScale / (yScale·count))) + yZeroPoint)`. One float32 each.
 */
export interface PoolRescaling {
  /** Scale of the input. */
  readonly xScale: DeviceBuffer;
  /** Zero point of the input. */
  readonly xZeroPoint: DeviceBuffer;
  /** Scale of the result. */
  readonly yScale: DeviceBuffer;
  /** Zero point of the result. */
  readonly yZeroPoint: DeviceBuffer;
  /** The least integer to give. */
  readonly quantMin: number;
  /** The greatest integer to give. */
  readonly quantMax: number;
}

/** Arguments of pooling. */
export interface PoolArgs {
  /** What is taken of a window: its maximum or its mean. */
  readonly kind: "max" | "average";
  /** Sizes of the output's spatial dimensions. */
  readonly output: readonly number[];
  /** The windows; null if they divide the input as evenly as can be. */
  readonly windows: PoolWindows | null;
  /** Whether a mean counts what stands around the input. */
  readonly countPadding?: boolean;
  /** Of means of bytes, what becomes of them. */
  readonly rescale?: PoolRescaling;
  /** What sums are divided by, if not by how many numbers there are. */
  readonly divisor?: number;
}

/** A window along one dimension: the places read, and how many count. */
export interface Reach {
  readonly places: number[];
  readonly counted: number;
}

/** The window of output `o` along dimension `d` of an input of `size`. */
export function reachOf(
  { output, windows, countPadding = false }: PoolArgs,
  d: number,
  size: number,
  o: number,
): Reach {
  if (!windows) {
    const start = Math.floor(o * size / output[d]);
    const end = Math.ceil((o + 1) * size / output[d]);
    return {
      places: Array.from({ length: end - start }, (_, i) => start + i),
      counted: end - start,
    };
  }
  const { kernel, stride, before, after, dilation } = windows;
  const taps = Array.from(
    { length: kernel[d] },
    (_, t) => o * stride[d] - before[d] + t * dilation[d],
  );
  const places = taps.filter((place) => place >= 0 && place < size);
  const counted = countPadding
    ? taps.filter((place) => place < size + after[d]).length
    : places.length;
  return { places, counted };
}
