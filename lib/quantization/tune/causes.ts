/**
 * What makes most of a layer's noise.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";

/** What makes most of a layer's noise. */
export type FindingCause = "clipping" | "rounding" | "weights";

/** An activation in bytes: what lies beyond `min` and `max` is cut off. */
export interface BytesOfActivation {
  /** The distance between neighbours. */
  readonly scale: number;
  /** The least number that bytes stand for. */
  readonly min: number;
  /** The greatest. */
  readonly max: number;
}

/** Ratios of powers in dB. */
function ratio(signal: number, noise: number): number {
  return noise > 0 ? 10 * Math.log10(signal / noise) : Infinity;
}

/** What rounding a weight leaves of it. */
function weightSqnr(float: ArrayLike<number>, rounded: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < float.length; i++) {
    signal += float[i] ** 2;
    noise += (float[i] - rounded[i]) ** 2;
  }
  return ratio(signal, noise);
}

/** Sums of squares of an activation: its own, of what is beyond a range, and of rounding within. */
function activationParts(data: ArrayLike<number>, { scale, min, max }: BytesOfActivation) {
  let [signal, clipped, rounded] = [0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const x = data[i];
    signal += x * x;
    const beyond = x > max ? x - max : x < min ? min - x : 0;
    if (beyond > scale / 2) clipped += beyond ** 2;
    else rounded += (x - Math.round(x / scale) * scale) ** 2;
  }
  return { signal, clipped, rounded };
}

/** The cause of most of a layer's noise, what it leaves of the operand in dB, and that in words. `input` is what these call the activation. */
export function causeOf(
  input: string,
  data: ArrayLike<number>,
  own: BytesOfActivation,
  weight: { readonly float: ArrayLike<number>; readonly rounded: ArrayLike<number> },
): { cause: FindingCause; operand: number; words: string } {
  const { signal, clipped, rounded } = activationParts(data, own);
  const parts: [FindingCause, number, string][] = [
    ["clipping", ratio(signal, clipped), `what lies beyond the range of ${input}`],
    [
      "rounding",
      ratio(signal, rounded),
      `rounding ${input} to steps of ${own.scale.toPrecision(2)}`,
    ],
    ["weights", weightSqnr(weight.float, weight.rounded), `rounding its weight`],
  ];
  const [cause, operand, what] = parts.reduce((a, b) => b[1] < a[1] ? b : a);
  return { cause, operand, words: `${what} leaves ${decibels(operand)} of it` };
}
