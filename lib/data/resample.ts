/**
 * Images of another size.
 *
 * @module
 */
import type { ImageOptions } from "./image_options.ts";
import type { RgbImage } from "./pixels.ts";

/** Weights are integers, as Pillow's: the sums are exact, and ties are rounded up. */
const ONE = 2 ** 22;

/** What one output pixel takes: pixels from `start`, each with its weight. */
interface Tap {
  readonly start: number;
  readonly weights: readonly number[];
}

/**
 * A triangle as wide as the step between output pixels, or between input pixels where those are further apart;
 * pixels have their centres at halves.
 */
function tapsOf(from: number, to: number): Tap[] {
  const step = from / to;
  const reach = Math.max(step, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step;
    const start = Math.max(Math.round(centre - reach), 0);
    const end = Math.min(Math.round(centre + reach), from);
    const weights = Array.from(
      { length: end - start },
      (_, k) => Math.max(1 - Math.abs((start + k + 0.5 - centre) / reach), 0),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((weight) => Math.round(weight / sum * ONE)) };
  });
}

/**
 * Resamples lines of pixels: `lines` of them, whose starts are `lineStep` bytes apart in both arrays' own
 * layout, and whose pixels are `pixelStep` apart.
 */
function resampleLines(
  data: Uint8Array,
  taps: readonly Tap[],
  lines: number,
  [fromLine, fromPixel]: readonly [number, number],
  [toLine, toPixel]: readonly [number, number],
): Uint8Array {
  const out = new Uint8Array(lines * taps.length * 3);
  for (const [i, { start, weights }] of taps.entries()) {
    for (let line = 0; line < lines; line++) {
      let [r, g, b] = [ONE / 2, ONE / 2, ONE / 2];
      let at = line * fromLine + start * fromPixel;
      for (let k = 0; k < weights.length; k++, at += fromPixel) {
        r += weights[k] * data[at];
        g += weights[k] * data[at + 1];
        b += weights[k] * data[at + 2];
      }
      const to = line * toLine + i * toPixel;
      out[to] = r / ONE;
      out[to + 1] = g / ONE;
      out[to + 2] = b / ONE;
    }
  }
  return out;
}

/** The image stretched to a size, linear between pixels, as Pillow's `BILINEAR`. */
export function stretch(image: RgbImage, height: number, width: number): RgbImage {
  let { data } = image;
  if (width !== image.width) {
    const taps = tapsOf(image.width, width);
    data = resampleLines(data, taps, image.height, [3 * image.width, 3], [3 * width, 3]);
  }
  if (height !== image.height) {
    const taps = tapsOf(image.height, height);
    data = resampleLines(data, taps, width, [3, 3 * width], [3, 3 * width]);
  }
  return { data, height, width };
}

/** The height and width that an image is scaled to before it is padded or cropped to a size. */
function scaledSize(
  image: { readonly height: number; readonly width: number },
  height: number,
  width: number,
  resize: ImageOptions["resize"],
): [height: number, width: number] {
  if (resize === "stretch") return [height, width];
  const ratios = [height / image.height, width / image.width];
  const ratio = resize === "crop" ? Math.max(...ratios) : Math.min(...ratios);
  const side = (length: number) => Math.max(Math.round(length * ratio), 1);
  return [side(image.height), side(image.width)];
}

/** The most pixels that are in memory at once on the way to a size: a long thin image may take far more than both. */
export function largestStep(
  image: { readonly height: number; readonly width: number },
  height: number,
  width: number,
  { resize = "stretch" }: ImageOptions,
): number {
  const [scaledHeight, scaledWidth] = scaledSize(image, height, width, resize);
  return Math.max(image.height, scaledHeight) * scaledWidth;
}

/** The image at a size, its aspect treated as {@linkcode ImageOptions.resize} says. */
export function fitImage(
  image: RgbImage,
  height: number,
  width: number,
  { resize = "stretch", padValue = 0 }: ImageOptions,
): RgbImage {
  const scaled = stretch(image, ...scaledSize(image, height, width, resize));
  if (resize === "stretch") return scaled;
  const middle = (room: number) => resize === "pad" ? 0 : Math.trunc(room / 2);
  const top = middle(height - scaled.height);
  const left = middle(width - scaled.width);
  return place(scaled, height, width, top, left, padValue);
}

/** The image in a frame, from a row and a column on; what lies outside is cut off. */
function place(
  image: RgbImage,
  height: number,
  width: number,
  top: number,
  left: number,
  padValue: number,
): RgbImage {
  const data = new Uint8Array(height * width * 3).fill(Math.round(padValue));
  const columns = Math.min(width, image.width);
  for (let row = 0; row < Math.min(height, image.height); row++) {
    const from = (row + Math.max(-top, 0)) * image.width + Math.max(-left, 0);
    const to = (row + Math.max(top, 0)) * width + Math.max(left, 0);
    data.set(image.data.subarray(3 * from, 3 * (from + columns)), 3 * to);
  }
  return { data, height, width };
}
