/**
 * How far a quantized result is from the float one.
 *
 * @module
 */
import { formatShape, sameShape } from "../../numbers/shape.ts";
import { checkTensor, type Tensor } from "../../tensor/tensor.ts";

/**
 * The signal-to-quantization-noise ratio in decibels, `20·log₁₀(‖x‖ / ‖x − y‖)`: 6 dB more is one
 * bit more. Infinite where the two agree exactly. Waits for the device.
 *
 * @param x the reference.
 * @param y the approximation, of the same shape.
 * @throws {RangeError} if the shapes differ.
 *
 * @example
 * ```ts
 * import { computeError, tensor } from "@staticquant/staticquant";
 * console.log(await computeError(tensor([1, 2]), tensor([1, 2.1]))); // 26.98…
 * ```
 */
export async function computeError(x: Tensor, y: Tensor): Promise<number> {
  for (const t of [x, y]) checkTensor("computeError", t);
  if (!sameShape(x.shape, y.shape)) {
    throw new RangeError(
      `computeError: shapes ${formatShape(x.shape)} and ${formatShape(y.shape)} differ`,
    );
  }
  const [xs, ys] = await Promise.all([x.data(), y.data()]);
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < xs.length; i++) {
    signal += xs[i] ** 2;
    noise += (xs[i] - ys[i]) ** 2;
  }
  return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
}
