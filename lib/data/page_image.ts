/**
 * Decoding images in a page.
 *
 * @module
 */
import { fail } from "./data_error.ts";
import type { RgbImage } from "./pixels.ts";
import { decodePng } from "./png_image.ts";

/** A picture of the browser's. */
interface Bitmap {
  readonly width: number;
  readonly height: number;
  close(): void;
}

/** The part of a page, or of its workers, that is used. */
interface Page {
  createImageBitmap(file: Blob, options: { imageOrientation: "from-image" }): Promise<Bitmap>;
  readonly OffscreenCanvas: new (width: number, height: number) => {
    getContext(kind: "2d", options: { willReadFrequently: true }): {
      fillRect(x: number, y: number, width: number, height: number): void;
      drawImage(image: Bitmap, x: number, y: number): void;
      getImageData(
        x: number,
        y: number,
        width: number,
        height: number,
      ): { data: ArrayLike<number> };
    };
  };
}

/** Whether a file begins as PNG does. */
function isPng(bytes: Uint8Array): boolean {
  return bytes[0] === 0x89 && bytes[1] === 0x50;
}

/**
 * Decodes an image: as it is to be looked at, in sRGB, on black where it is transparent. Of a PNG without a colour
 * profile the numbers are those of its file, as sharp has them; the rest is the browser's, which converts colours
 * its own way and mostly has no TIFF.
 *
 * @throws {DataError} if it is damaged or has more pixels, or the browser does not know it.
 */
export async function decodeInPage(
  where: string,
  bytes: Uint8Array<ArrayBuffer>,
  mostPixels: number,
): Promise<RgbImage> {
  try {
    return isPng(bytes) && await decodePng(bytes, mostPixels) || await byBrowser(bytes, mostPixels);
  } catch (error) {
    fail(where, `the image cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}

async function byBrowser(bytes: Uint8Array<ArrayBuffer>, mostPixels: number): Promise<RgbImage> {
  const page = globalThis as unknown as Page;
  const bitmap = await page.createImageBitmap(new Blob([bytes]), { imageOrientation: "from-image" })
    .catch(() => {
      throw new Error("it is damaged, or this browser does not know its format; save it as PNG");
    });
  const { width, height } = bitmap;
  try {
    if (width * height > mostPixels) throw new Error("it has more pixels than are read");
    const context = new page.OffscreenCanvas(width, height)
      .getContext("2d", { willReadFrequently: true });
    // Black, as a new context paints, beneath what is transparent.
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const rgb = new Uint8Array(width * height * 3);
    for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * 4 + i % 3];
    return { data: rgb, width, height };
  } finally {
    bitmap.close();
  }
}
