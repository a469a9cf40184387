/**
 * Floats of 4 bits as the library bitsandbytes has them: a table of 16 values, and a scale a group.
 *
 * @module
 */

/** Which 16 values there are: `"nf4"` has quantiles of a normal distribution, `"fp4"` is a float with 2 bits of exponent. */
export type Bnb4Type = "nf4" | "fp4";

/** The values by their codes, as parts of the greatest; Dettmers et al., "QLoRA", 2023, appendix E. */
const NF4 = [
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
];
const HALF_FP4 = [0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4];
const VALUES: Record<Bnb4Type, readonly number[]> = {
  nf4: NF4,
  fp4: [...HALF_FP4, ...HALF_FP4.map((x) => -x)],
};

/** Rows of floats of 4 bits as onnxruntime's MatMulBnb4 reads them. */
export interface Bnb4Bytes {
  /** Two a byte, the first in the high bits. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** The greatest magnitude of each group. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Codes from the least value to the greatest, and where one ends and the next begins. */
function ladder(type: Bnb4Type): { codes: number[]; ends: number[] } {
  const all = VALUES[type].map((value, code) => ({ value, code }))
    // Of two zeros the positive one is kept.
    .filter(({ value }) => !Object.is(value, -0)).sort((a, b) => a.value - b.value);
  const values = all.map(({ value }) => value);
  return {
    codes: all.map(({ code }) => code),
    ends: values.slice(1).map((value, i) => (value + values[i]) / 2),
  };
}

/** The place on the ladder nearest to a number. */
function place(x: number, ends: readonly number[]): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x > ends[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rounds floats to 4 bits; groups run on over the ends of rows. */
export function bnb4Bytes(
  data: Float32Array,
  groupSize: number,
  type: Bnb4Type,
): Bnb4Bytes {
  const { codes, ends } = ladder(type);
  const packed = new Uint8Array(Math.ceil(data.length / 2));
  const scales = new Float32Array(Math.ceil(data.length / groupSize));
  for (let start = 0, g = 0; start < data.length; start += groupSize, g++) {
    const group = data.subarray(start, start + groupSize);
    const scale = group.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    scales[g] = scale;
    const perScale = scale === 0 ? 0 : 1 / scale;
    group.forEach((x, i) => {
      const code = codes[place(x * perScale, ends)];
      packed[(start + i) >> 1] |= (start + i) % 2 === 0 ? code << 4 : code;
    });
  }
  return { packed, scales };
}
