/**
 * How images become tensors.
 *
 * @module
 */

/** A height or a width in pixels; `auto` keeps the image's aspect, or its own size if both are. */
export type ImageSide = number | "auto";

/** How images are read. */
export interface ImageOptions {
  /** Height and width; by default the model's, if its file fixes them. */
  size?: readonly [height: ImageSide, width: ImageSide];
  /**
   * What happens to an image of another aspect than `size`: `stretch` (the default) deforms it, `pad`
   * scales it to fit and adds `padValue` at the right or the bottom, `letterbox` adds it on both sides, `crop`
   * scales it to cover and cuts what sticks out.
   */
  resize?: "stretch" | "pad" | "letterbox" | "crop";
  /** What padding holds, from 0 to 255; 0 by default. */
  padValue?: number;
  /** Sides that are `auto` are rounded to a multiple of this; 1 by default. */
  multipleOf?: number;
  /** Where the channels stand: before height and width, or after; by default as the model's shape has it. */
  layout?: "nchw" | "nhwc";
  /** Which channels, in which order; by default `rgb`, or `gray` for a model of one channel. */
  channels?: "rgb" | "bgr" | "gray";
  /** What a pixel from 0 to 255 is multiplied by; 1 / 255 by default. */
  scale?: number;
  /** What is taken from it then, one number or one a channel in the order fed; 0 by default. */
  mean?: readonly number[];
  /** What it is divided by then; 1 by default. */
  std?: readonly number[];
}

/** The endings of files that are read as images. */
export const IMAGE_ENDINGS: readonly string[] = [
  ".png",
  ".jpg",
  ".jpeg",
  ".webp",
  ".gif",
  ".tif",
  ".tiff",
];
