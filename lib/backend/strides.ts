/**
 * How tensors are walked together: sizes of dimensions, and for each tensor how far apart in it
 * neighbours along each dimension lie.
 *
 * @module
 */

/** Some tensors' strides over the same dimensions, all counted in elements. */
export interface Walk {
  /** The sizes of the dimensions; there is at least one. */
  readonly sizes: readonly number[];
  /** For each tensor the stride of each dimension; 0 where it repeats. */
  readonly strides: readonly (readonly number[])[];
  /** For each tensor where its first element lies; 0 by default. */
  readonly offsets?: readonly number[];
}

/** The strides of a contiguous tensor. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d];
  }
  return strides;
}

/** The strides by which a contiguous tensor of `from` is read as if it had `shape`, by broadcasting. */
export function broadcastStrides(from: readonly number[], shape: readonly number[]): number[] {
  const own = contiguousStrides(from);
  const missing = shape.length - from.length;
  return shape.map((_, d) => d < missing || from[d - missing] === 1 ? 0 : own[d - missing]);
}

/**
 * The fewest dimensions that walk the same elements in the same order: those of size 1 are dropped, and
 * neighbours merge where every tensor goes through both as through one.
 */
export function collapse({ sizes, strides, offsets }: Walk): Walk {
  const dims: { size: number; strides: number[] }[] = [];
  sizes.forEach((size, d) => {
    if (size === 1) return;
    const outer = dims.at(-1);
    const inner = strides.map((of) => of[d]);
    if (outer?.strides.every((stride, t) => stride === inner[t] * size)) {
      dims[dims.length - 1] = { size: outer.size * size, strides: inner };
    } else {
      dims.push({ size, strides: inner });
    }
  });
  if (dims.length === 0) dims.push({ size: 1, strides: strides.map(() => 0) });
  return {
    sizes: dims.map(({ size }) => size),
    strides: strides.map((_, t) => dims.map((dim) => dim.strides[t])),
    offsets,
  };
}

/** The walk of contiguous tensors of shapes `from` that broadcast to `shape`. */
export function broadcastWalk(
  from: readonly (readonly number[])[],
  shape: readonly number[],
): Walk {
  return collapse({ sizes: shape, strides: from.map((of) => broadcastStrides(of, shape)) });
}

/** The place of every element of a walk in one of its tensors, in order. */
export function offsetsOf(sizes: readonly number[], strides: readonly number[], offset = 0) {
  let places = Float64Array.of(offset);
  sizes.forEach((size, d) => {
    const next = new Float64Array(places.length * size);
    for (let i = 0, k = 0; i < places.length; i++) {
      for (let c = 0; c < size; c++) next[k++] = places[i] + c * strides[d];
    }
    places = next;
  });
  return places;
}
