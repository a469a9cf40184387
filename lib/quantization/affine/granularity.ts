/**
 * Which elements share a scale and a zero point.
 *
 * @module
 */
import { formatShape } from "../../numbers/shape.ts";

/** Which elements of a tensor share quantization parameters. */
export interface Granularity {
  /**
   * The size of the blocks into which a tensor of `shape` falls, one number a dimension.
   *
   * @throws {RangeError} if this granularity does not fit the shape.
   */
  blockSize(shape: readonly number[]): number[];
  /** How it prints. */
  toString(): string;
}

/**
 * One scale for the whole tensor.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerTensor } from "@staticquant/staticquant";
 * console.log(getBlockSize([4, 8], new PerTensor())); // [ 4, 8 ]
 * ```
 */
export class PerTensor implements Granularity {
  /** The whole shape. */
  blockSize(shape: readonly number[]): number[] {
    return [...shape];
  }
  /** `PerTensor()`. */
  toString(): string {
    return "PerTensor()";
  }
}

/**
 * One scale for each index along an axis: `PerAxis(0)` is the usual choice for weights of shape
 * (outFeatures, inFeatures), a scale for each output channel.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerAxis } from "@staticquant/staticquant";
 * console.log(getBlockSize([4, 8], new PerAxis(0))); // [ 1, 8 ]
 * ```
 */
export class PerAxis implements Granularity {
  /**
   * Parameters for each index along `axis`.
   *
   * @param axis the axis; negative counts from the last.
   */
  constructor(readonly axis: number) {}
  /** One along the axis, everything along the others. */
  blockSize(shape: readonly number[]): number[] {
    const axis = this.axis < 0 ? this.axis + shape.length : this.axis;
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
      throw new RangeError(
        `PerAxis(${this.axis}): a tensor of shape ${formatShape(shape)} has axes 0 to ${
          shape.length - 1
        }`,
      );
    }
    return shape.map((size, i) => i === axis ? 1 : size);
  }
  /** `PerAxis(axis)`. */
  toString(): string {
    return `PerAxis(${this.axis})`;
  }
}

/**
 * One scale for each row, that is, for each set of indices but the last.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerRow } from "@staticquant/staticquant";
 * console.log(getBlockSize([2, 4, 8], new PerRow())); // [ 1, 1, 8 ]
 * ```
 */
export class PerRow implements Granularity {
  /** One along all dimensions but the last. */
  blockSize(shape: readonly number[]): number[] {
    return shape.map((size, i) => i === shape.length - 1 ? size : 1);
  }
  /** `PerRow()`. */
  toString(): string {
    return "PerRow()";
  }
}

/**
 * One scale for each token: the rows of an activation whose last dimension is the features.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerToken } from "@staticquant/staticquant";
 * console.log(getBlockSize([2, 4, 8], new PerToken())); // [ 1, 1, 8 ]
 * ```
 */
export class PerToken extends PerRow {
  /** `PerToken()`. */
  override toString(): string {
    return "PerToken()";
  }
}

/**
 * One scale for each `groupSize` neighbours along the last dimension.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerGroup } from "@staticquant/staticquant";
 * console.log(getBlockSize([4, 64], new PerGroup(32))); // [ 1, 32 ]
 * ```
 */
export class PerGroup implements Granularity {
  /**
   * Parameters for each group of `groupSize`.
   *
   * @param groupSize elements a group.
   */
  constructor(readonly groupSize: number) {}
  /** One along all dimensions but the last, and the group there. */
  blockSize(shape: readonly number[]): number[] {
    const block = shape.map((_, i) => i === shape.length - 1 ? this.groupSize : 1);
    checkBlockSize(shape, block, String(this));
    return block;
  }
  /** `PerGroup(groupSize)`. */
  toString(): string {
    return `PerGroup(${this.groupSize})`;
  }
}

/**
 * One scale for each block of the given size; −1 stands for the whole dimension.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerBlock } from "@staticquant/staticquant";
 * console.log(getBlockSize([256, 256], new PerBlock([128, -1]))); // [ 128, 256 ]
 * ```
 */
export class PerBlock implements Granularity {
  /**
   * Parameters for each block of `size`.
   *
   * @param size the block, one number a dimension.
   */
  constructor(readonly size: readonly number[]) {}
  /** The block itself. */
  blockSize(shape: readonly number[]): number[] {
    const block = this.size.map((size, i) => size === -1 ? shape[i] : size);
    checkBlockSize(shape, block, String(this));
    return block;
  }
  /** `PerBlock([size])`. */
  toString(): string {
    return `PerBlock([${this.size.join(", ")}])`;
  }
}

/**
 * The size of the blocks into which a tensor falls.
 *
 * @param shape the tensor's shape.
 * @param granularity which elements share parameters.
 * @returns one number a dimension.
 * @throws {RangeError} if the granularity does not fit the shape.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerAxis } from "@staticquant/staticquant";
 * console.log(getBlockSize([3, 5, 16], new PerAxis(1))); // [ 3, 1, 16 ]
 * ```
 */
export function getBlockSize(shape: readonly number[], granularity: Granularity): number[] {
  return granularity.blockSize(shape);
}

/** Throws unless `block` divides `shape`; `where` opens the message. */
export function checkBlockSize(
  shape: readonly number[],
  block: readonly number[],
  where: string,
): void {
  const fits = block.length === shape.length &&
    block.every((size, i) =>
      Number.isInteger(size) && (size > 0 ? shape[i] % size === 0 : shape[i] === 0)
    );
  if (!fits) {
    throw new RangeError(
      `${where}: blocks of ${formatShape(block)} do not divide a tensor of shape ${
        formatShape(shape)
      }; ` +
        `give one size a dimension, each a divisor of the dimension`,
    );
  }
}

/**
 * The shape that scales and zero points have: dimensions that lie whole in a block are dropped, the
 * others count their blocks. With `keepdim` the dropped ones stay, as 1.
 */
export function qparamShape(
  shape: readonly number[],
  block: readonly number[],
  keepdim = false,
): number[] {
  const kept = shape.map((size, i) => block[i] === 1 || block[i] !== size);
  return shape.map((size, i) => block[i] === 0 ? 1 : size / block[i]).filter((_, i) =>
    keepdim || kept[i]
  );
}
