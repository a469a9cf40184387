/**
 * How the elements of a tensor fall into blocks that share quantization parameters.
 *
 * @module
 */

/** One dimension of a blocked shape: `size` elements in blocks of `block`. */
export interface BlockedDim {
  readonly size: number;
  readonly block: number;
}

/**
 * The fewest dimensions that number the same elements and the same blocks in the same order.
 * Neighbours merge where the inner one lies whole in a block or the outer one has blocks of one.
 * Per tensor, per row and per leading axis become one dimension; no shape needs more than it had.
 */
export function collapseBlocks(
  shape: readonly number[],
  blockSize: readonly number[],
): BlockedDim[] {
  const dims: BlockedDim[] = [];
  shape.forEach((size, i) => {
    const block = blockSize[i];
    if (size === 1) return;
    const outer = dims.at(-1);
    if (outer && (block === size || outer.block === 1)) {
      dims[dims.length - 1] = {
        size: outer.size * size,
        block: block === size ? outer.block * size : block,
      };
    } else {
      dims.push({ size, block });
    }
  });
  return dims.length ? dims : [{ size: 1, block: 1 }];
}

/** The number of blocks. */
export function countBlocks(dims: readonly BlockedDim[]): number {
  return dims.reduce((product, { size, block }) => product * (size / block), 1);
}

/** The block that element `index` lies in. */
export function blockOf(index: number, dims: readonly BlockedDim[]): number {
  let result = 0;
  let stride = 1;
  for (let d = dims.length - 1; d >= 0; d--) {
    const { size, block } = dims[d];
    result += Math.floor((index % size) / block) * stride;
    stride *= size / block;
    index = Math.floor(index / size);
  }
  return result;
}
