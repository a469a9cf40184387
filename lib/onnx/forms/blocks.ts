/**
 * Matrices in few bits: groups of neighbours along a row share a scale and a zero point.
 *
 * @module
 */

/** How rows fall into groups, and what their integers are. */
export interface BlockLayout {
  /** Rows; each is an output of the layer. */
  readonly rows: number;
  /** Elements a row. */
  readonly columns: number;
  /** Elements that share a scale; the last group of a row may have fewer. */
  readonly groupSize: number;
  /** Bits an element. */
  readonly bits: number;
}

/** A matrix in few bits: `x ≈ (q − zeroPoint)·scale`. */
export interface BlockMatrix extends BlockLayout {
  /** One a byte, row by row, from 0 to 2^bits − 1. */
  readonly integers: Uint8Array<ArrayBuffer>;
  /** One a group, row by row. */
  readonly scales: Float32Array<ArrayBuffer>;
  /** One a group; nothing if all are 2^(bits − 1). */
  readonly zeroPoints?: Uint8Array<ArrayBuffer>;
}

/** How many groups a row has. */
export function groupsOf({ columns, groupSize }: BlockLayout): number {
  return Math.ceil(columns / groupSize);
}

/** Chooses a scale and a zero point for the elements of one group. */
export interface GroupRounder {
  /**
   * @param group its elements.
   * @param start the column of the first of them.
   * @param chosen gets the scale and the zero point; the integers are the nearest then.
   */
  (group: Float32Array, start: number, chosen: GroupParams): void;
}

/** What was chosen for a group. */
export interface GroupParams {
  scale: number;
  zeroPoint: number;
}

/** The integer nearest to a number of steps, within the type. */
function nearestInteger(x: number, most: number): number {
  const q = Math.round(x);
  return q < 0 ? 0 : q > most ? most : q;
}

/**
 * Rounds a matrix.
 *
 * @param data row by row.
 * @param symmetric whether zero points are left out; the rounder must choose 2^(bits − 1) for all then.
 */
export function roundBlocks(
  data: Float32Array,
  layout: BlockLayout,
  rounder: GroupRounder,
  symmetric: boolean,
): BlockMatrix {
  const { rows, columns, groupSize, bits } = layout;
  const groups = groupsOf(layout);
  const most = 2 ** bits - 1;
  const integers = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groups);
  const zeroPoints = symmetric ? undefined : new Uint8Array(rows * groups);
  const chosen = { scale: 0, zeroPoint: 0 };
  for (let row = 0, g = 0; row < rows; row++) {
    for (let start = 0; start < columns; start += groupSize, g++) {
      const begin = row * columns + start;
      const end = begin + Math.min(groupSize, columns - start);
      rounder(data.subarray(begin, end), start, chosen);
      const scale = Math.fround(chosen.scale);
      const { zeroPoint } = chosen;
      scales[g] = scale;
      if (zeroPoints) zeroPoints[g] = zeroPoint;
      const perStep = scale === 0 ? 0 : 1 / scale;
      for (let i = begin; i < end; i++) {
        integers[i] = nearestInteger(data[i] * perStep + zeroPoint, most);
      }
    }
  }
  return { ...layout, integers, scales, zeroPoints };
}

/** What a matrix in few bits stands for. */
export function unroundBlocks(matrix: BlockMatrix): Float32Array<ArrayBuffer> {
  const { rows, columns, groupSize, bits, integers, scales, zeroPoints } = matrix;
  const groups = groupsOf(matrix);
  const floats = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      const g = row * groups + Math.floor(column / groupSize);
      floats[i] = (integers[i] - (zeroPoints?.[g] ?? 2 ** (bits - 1))) * scales[g];
    }
  }
  return floats;
}

/** A matrix with rows and columns exchanged. */
export function transposed(
  data: Float32Array,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(data.length);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) turned[c * rows + r] = data[i++];
  }
  return turned;
}
