/**
 * Running minima and maxima as unsigned integers. A float32's bits, with the sign bit flipped for
 * positive numbers and all bits flipped for negative ones, order as the numbers do. So a device
 * needs no float comparison (which may flush subnormals and may assume there are no NaNs), and
 * workgroups meet in an integer atomic.
 *
 * Layout, in uint32 words: minima of all blocks, maxima of all blocks, the first bad batch.
 *
 * @module
 */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The batch number that stands for "none was bad". */
export const NO_BAD_BATCH = 0xffffffff;

/** The order-preserving key of a float32. */
export function floatKey(x: number): number {
  f32[0] = x;
  return (u32[0] & 0x80000000 ? ~u32[0] : u32[0] | 0x80000000) >>> 0;
}

/** The float32 of a key. */
export function keyFloat(key: number): number {
  u32[0] = key & 0x80000000 ? key & 0x7fffffff : ~key;
  return f32[0];
}

/** The state before any batch, for `blocks` blocks. */
export function emptyMinMaxState(blocks: number): Uint8Array {
  const words = new Uint32Array(2 * blocks + 1);
  words.fill(0xffffffff, 0, blocks);
  words[2 * blocks] = NO_BAD_BATCH;
  return new Uint8Array(words.buffer);
}

/**
 * What is wrong with the minima and maxima of a state that comes from outside; undefined if a device may have left
 * them. In a state with a bad batch they mean nothing.
 */
export function minMaxProblem(words: Uint32Array, blocks: number): string | undefined {
  for (let block = 0; block < blocks; block++) {
    const [min, max] = [keyFloat(words[block]), keyFloat(words[blocks + block])];
    const fine = Number.isFinite(min) && Number.isFinite(max) &&
      words[block] <= words[blocks + block];
    if (!fine) return `the range of block ${block} is from ${min} to ${max}`;
  }
}

/** What a state says: float32 minima and maxima, and the first bad batch if there was one. */
export function decodeMinMaxState(
  bytes: Uint8Array,
): { min: Float32Array; max: Float32Array; badBatch: number | undefined } {
  const words = new Uint32Array(bytes.slice().buffer);
  const blocks = (words.length - 1) / 2;
  const bad = words[2 * blocks];
  return {
    min: Float32Array.from(words.subarray(0, blocks), keyFloat),
    max: Float32Array.from(words.subarray(blocks, 2 * blocks), keyFloat),
    badBatch: bad === NO_BAD_BATCH ? undefined : bad,
  };
}
