/**
 * Decoding images by sharp.
 *
 * @module
 */
import { loadPackage, PACKAGES } from "../files/packages.ts";
import { fail } from "./data_error.ts";
import type { RgbImage } from "./pixels.ts";

type Sharp = typeof import("sharp").default;

let loaded: Promise<Sharp> | undefined;

/** Loads sharp, and tells it to keep nothing: each image is read once. */
async function loadSharp(): Promise<Sharp> {
  try {
    const { default: sharp } = await loadPackage<{ default: Sharp }>("images", PACKAGES.sharp);
    sharp.cache(false);
    return sharp;
  } catch (error) {
    const { cause } = error as Error;
    if (!(cause instanceof Error) || cause.name !== "NotCapable") throw error;
    fail(
      "images",
      `${PACKAGES.sharp} may not be loaded (${
        cause.message.split(", run again")[0]
      }); it needs --allow-ffi, ` +
        `--allow-env=npm_package_config_libvips,MALLOC_ARENA_MAX and on Linux --allow-read=/usr/bin/ldd`,
    );
  }
}

/**
 * Decodes an image: as it is to be looked at, in sRGB, on black where it is transparent.
 *
 * @throws {DataError} if it is damaged, has more pixels, or sharp may not be loaded.
 */
export async function decodeBySharp(
  where: string,
  bytes: Uint8Array<ArrayBuffer>,
  mostPixels: number,
): Promise<RgbImage> {
  const sharp = await (loaded ??= loadSharp());
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: mostPixels, failOn: "error" })
      .autoOrient()
      .toColourspace("srgb")
      .flatten({ background: "#000" })
      .removeAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data: asRgb(data, info.channels), height: info.height, width: info.width };
  } catch (error) {
    fail(where, `the image cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** Grey images have one channel. */
function asRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const rgb = new Uint8Array(data.length / channels * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * channels];
  return rgb;
}
