/**
 * Matrices in few bits as onnxruntime's operators want their bytes.
 *
 * @module
 */
import { type BlockMatrix, groupsOf } from "./blocks.ts";

/** Integers of few bits in bytes, the first in the lowest bits; each run of `length` begins a byte. */
function packRuns(
  integers: Uint8Array,
  bits: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (bits === 8) return integers.slice();
  const perByte = 8 / bits;
  const runBytes = Math.ceil(length / perByte);
  const runs = length === 0 ? 0 : integers.length / length;
  const packed = new Uint8Array(runs * runBytes);
  for (let run = 0, i = 0; run < runs; run++) {
    for (let k = 0; k < length; k++) {
      packed[run * runBytes + Math.floor(k / perByte)] |= integers[i++] << (bits * (k % perByte));
    }
  }
  return packed;
}

/** What MatMulNBits reads: groups that are all of full length, each in bytes of its own. */
export interface NBitsBytes {
  /** Rows × groups × bytes a group. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly dims: readonly [number, number, number];
  readonly scales: Float32Array;
  /** Rows × bytes a row; nothing if each is 2^(bits − 1). */
  readonly zeroPoints?: Uint8Array<ArrayBuffer>;
}

/** The bytes of a matrix for MatMulNBits; what fills up the last group of a row stands for 0. */
export function nBitsBytes(matrix: BlockMatrix): NBitsBytes {
  const { rows, columns, groupSize, bits, integers, scales, zeroPoints } = matrix;
  const groups = groupsOf(matrix);
  const width = groups * groupSize;
  let padded = integers;
  if (width !== columns) {
    padded = new Uint8Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const last = zeroPoints?.[row * groups + groups - 1] ?? 2 ** (bits - 1);
      padded.fill(last, row * width + columns, (row + 1) * width);
      padded.set(integers.subarray(row * columns, (row + 1) * columns), row * width);
    }
  }
  return {
    data: packRuns(padded, bits, groupSize),
    dims: [rows, groups, groupSize * bits / 8],
    scales,
    zeroPoints: zeroPoints && packRuns(zeroPoints, bits, groups),
  };
}
