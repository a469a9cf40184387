/**
 * The channels of an activation: the indices along one of its dimensions.
 *
 * @module
 */

/** Where the channels of an activation lie. */
export interface Channels {
  /** The dimension, from the end if negative: −1 for who multiplies matrices, 1 for convolutions. */
  readonly axis: number;
  /** How many there are. */
  readonly count: number;
}

/** An activation as it lies: `outer × channels × inner` elements. */
export function spread(
  { axis, count }: Channels,
  dims: readonly number[],
): { readonly outer: number; readonly inner: number } {
  const at = axis < 0 ? dims.length + axis : axis;
  if (dims[at] !== count) {
    throw new RangeError(
      `an activation of shape [${dims.join(", ")}] has not the ${count} channels of its weight`,
    );
  }
  const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  return { outer: product(dims.slice(0, at)), inner: product(dims.slice(at + 1)) };
}
