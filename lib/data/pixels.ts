/**
 * Pixels as the numbers that a model takes.
 *
 * @module
 */
import type { ImageOptions } from "./image_options.ts";

/** An image in memory: red, green and blue of each pixel, row by row. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Which of red, green and blue each channel takes, and how much of it. */
const MIXES = {
  rgb: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  bgr: [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
  // ITU-R BT.601, as OpenCV and Pillow have it.
  gray: [[0.299, 0.587, 0.114]],
} as const;

/** How many channels there are. */
export function channelCount(channels: keyof typeof MIXES): number {
  return MIXES[channels].length;
}

/**
 * `(pixel · scale − mean) / std` of each channel; grey is rounded to an integer before, as an image is.
 *
 * @param options layout and channels told, the rest as in {@linkcode ImageOptions}.
 */
export function normalizePixels(
  { data, height, width }: RgbImage,
  options: ImageOptions & { layout: "nchw" | "nhwc"; channels: keyof typeof MIXES },
): Float32Array<ArrayBuffer> {
  const { layout, channels, scale = 1 / 255, mean = [0], std = [1] } = options;
  const mix = MIXES[channels];
  const area = height * width;
  const out = new Float32Array(area * mix.length);
  const [step, plane] = layout === "nchw" ? [1, area] : [mix.length, 1];
  for (const [c, [r, g, b]] of mix.entries()) {
    const from = mean[mean.length === 1 ? 0 : c];
    const by = std[std.length === 1 ? 0 : c];
    // A table of all 256 values: the arithmetic runs once for each, not for each pixel.
    const table = Float32Array.from({ length: 256 }, (_, pixel) => (pixel * scale - from) / by);
    for (let i = 0; i < area; i++) {
      const at = 3 * i;
      const value = r * data[at] + g * data[at + 1] + b * data[at + 2];
      out[c * plane + i * step] = table[Math.round(value)];
    }
  }
  return out;
}
