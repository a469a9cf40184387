import { assert, assertEquals } from "@std/assert";
import {
  type SmoothedWeight,
  smoothingScales,
} from "../../../lib/quantization/improve/smoothing_scales.ts";

/** A weight of two outputs, each of which reads all channels. */
function dense(rows: number[]): SmoothedWeight {
  return { rows, columns: rows.length / 2, channelOf: (_, k) => k, perRow: true };
}

Deno.test("smoothingScales: α = 0.5 gives the published factors, of geometric mean 1", () => {
  const input = { maxima: [4, 1], meanSquares: [1, 1], width: 2 };
  const { scales, alpha } = smoothingScales(input, [dense([1, 4, 1, 1])], { alpha: 0.5, floor: 0 });
  assertEquals(alpha, 0.5);
  // √4/√1 and √1/√4, over the root of their product.
  assert(Math.abs(scales[0] - 2) < 1e-12 && Math.abs(scales[1] - 0.5) < 1e-12);
});

Deno.test("smoothingScales: an outlier moves as far as it pays, and nothing where all is even", () => {
  const even = { maxima: [1, 1, 1], meanSquares: [0.1, 0.1, 0.1], width: 2 };
  const weight = dense([1, -1, 1, -1, 1, 1]);
  assert(smoothingScales(even, [weight]).gain < 1e-9);
  const outlier = { maxima: [100, 1, 1], meanSquares: [1000, 0.1, 0.1], width: 2 };
  const { scales, gain, alpha } = smoothingScales(outlier, [weight]);
  assert(gain > 3 && alpha > 0 && alpha < 1, `${gain} dB at ${alpha}`);
  assert(scales[0] > scales[1] && scales[1] === scales[2]);
});

Deno.test("smoothingScales: depthwise weights have scales of their own, so that all moves", () => {
  const input = { maxima: [100, 1], meanSquares: [1000, 0.1], width: 2 };
  const depthwise = { ...dense([1, 0.5, 2, 1]), channelOf: (row: number) => row };
  const { alpha, scales, gain } = smoothingScales(input, [depthwise]);
  assertEquals(alpha, 1);
  assert(Math.abs(scales[0] / scales[1] - 100) < 1e-9 && gain > 6);
});

Deno.test("smoothingScales: channels without a signal keep the factor 1", () => {
  const input = { maxima: [0, 8, 2], meanSquares: [0, 1, 1], width: 1 };
  const { scales } = smoothingScales(input, [dense([1, 1, 1, 1, 1, 1])], { alpha: 1, floor: 0 });
  assertEquals(scales[0], 1);
  assert(Math.abs(scales[1] - 2) < 1e-12 && Math.abs(scales[2] - 0.5) < 1e-12);
});
