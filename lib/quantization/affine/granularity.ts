/**
 * Which elements share a scale and a zero point.
 *
 * @module
 */
import { given } from "../../numbers/arguments.ts";
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
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PerTensor";

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
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PerAxis";

  /**
   * Parameters for each index along `axis`.
   *
   * @param axis the axis; negative counts from the last.
   * @throws {TypeError} if it is no number.
   */
  constructor(readonly axis: number) {
    checkNumber("PerAxis", "axis", axis, "such as new PerAxis(0)");
  }
  /** One along the axis, everything along the others. */
  blockSize(shape: readonly number[]): number[] {
    const axis = axisOf(String(this), this.axis, shape);
    return shape.map((size, i) => i === axis ? 1 : size);
  }
  /** `PerAxis(axis)`. */
  toString(): string {
    return `PerAxis(${this.axis})`;
  }
}

/**
 * One scale for each row, that is, for each set of indices but the last; or but that along another
 * dimension, as torchao's `PerRow(dim)`.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerRow } from "@staticquant/staticquant";
 * console.log(getBlockSize([2, 4, 8], new PerRow())); // [ 1, 1, 8 ]
 * console.log(getBlockSize([2, 4, 8], new PerRow(0))); // [ 2, 1, 1 ]
 * ```
 */
export class PerRow implements Granularity {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PerRow";

  /**
   * Parameters shared along `dim` alone.
   *
   * @param dim the dimension along which a row goes; negative counts from the last, which it is by default.
   * @throws {TypeError} if it is no number.
   */
  constructor(readonly dim: number = -1) {
    checkNumber("PerRow", "dim", dim, "or left out for the last dimension");
  }
  /** Everything along the dimension, one along the others. */
  blockSize(shape: readonly number[]): number[] {
    if (shape.length === 0 && this.dim === -1) return [];
    const dim = axisOf(String(this), this.dim, shape);
    return shape.map((size, i) => i === dim ? size : 1);
  }
  /** `PerRow()`, or `PerRow(dim)` for another dimension than the last. */
  toString(): string {
    return this.dim === -1 ? "PerRow()" : `PerRow(${this.dim})`;
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
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "PerToken";

  /** Parameters for each token. */
  constructor() {
    super();
  }
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
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PerGroup";

  /**
   * Parameters for each group of `groupSize`.
   *
   * @param groupSize elements a group.
   * @throws {TypeError} if it is no number.
   */
  constructor(readonly groupSize: number) {
    checkNumber("PerGroup", "groupSize", groupSize, "such as new PerGroup(32)");
  }
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
 * One scale for each block of the given size; −1 stands for the whole dimension. The size is that of the
 * last dimensions where a tensor has more: the others fall into blocks of 1, as in torchao.
 *
 * @example
 * ```ts
 * import { getBlockSize, PerBlock } from "@staticquant/staticquant";
 * console.log(getBlockSize([256, 256], new PerBlock([128, -1]))); // [ 128, 256 ]
 * console.log(getBlockSize([3, 4, 8], new PerBlock([2, 4]))); // [ 1, 2, 4 ]
 * ```
 */
export class PerBlock implements Granularity {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PerBlock";

  /**
   * Parameters for each block of `size`.
   *
   * @param size the block, one number a dimension.
   * @throws {TypeError} if it is no list of numbers.
   */
  constructor(readonly size: readonly number[]) {
    if (!Array.isArray(size)) {
      throw new TypeError(`PerBlock: size must be a list, such as [128, 128], got ${given(size)}`);
    }
    for (const one of size) {
      checkNumber("PerBlock", "each size", one, "or -1 for a whole dimension");
    }
  }
  /** The block itself, after ones for the dimensions that it does not name. */
  blockSize(shape: readonly number[]): number[] {
    const ones = Array<number>(Math.max(shape.length - this.size.length, 0)).fill(1);
    const block = [...ones, ...this.size].map((size, i) => size === -1 ? shape[i] : size);
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
  checkGranularity("getBlockSize", granularity);
  return granularity.blockSize(shape);
}

/** Throws a TypeError unless `value` is a granularity. */
export function checkGranularity(where: string, value: unknown): asserts value is Granularity {
  if (typeof (value as Granularity | undefined)?.blockSize === "function") return;
  throw new TypeError(
    `${where}: the granularity must be one such as new PerTensor() or new PerAxis(0), got ${
      given(value)
    }`,
  );
}

/** Refuses what is no number at all; one that does not fit is refused with the shape. */
function checkNumber(where: string, name: string, value: unknown, hint: string): void {
  if (typeof value === "number") return;
  throw new TypeError(`${where}: ${name} must be a number, ${hint}, got ${given(value)}`);
}

/** An axis that a shape has, counted from the first. */
function axisOf(where: string, axis: number, shape: readonly number[]): number {
  const counted = axis < 0 ? axis + shape.length : axis;
  if (Number.isInteger(counted) && counted >= 0 && counted < shape.length) return counted;
  throw new RangeError(
    `${where}: a tensor of shape ${formatShape(shape)} has axes 0 to ${shape.length - 1}`,
  );
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

/**
 * The shape that observers give with `keepdim`, as torchao's reductions: 1 for a dimension that lies whole
 * in a block, and the number of blocks and a 1 for one that is divided.
 */
export function reducedShape(shape: readonly number[], block: readonly number[]): number[] {
  return shape.flatMap((size, i) => {
    if (block[i] === 1) return [size];
    return block[i] === size ? [1] : [size / block[i], 1];
  });
}
