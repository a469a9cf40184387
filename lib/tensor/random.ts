/**
 * Seeded random numbers. One stream for the process, so that a script which calls
 * {@linkcode manualSeed} first gives the same numbers in every run and on every machine.
 *
 * @module
 */

// xoshiro128** (Blackman and Vigna, 2018), its state filled by splitmix32.
const state = new Uint32Array(4);
let spareNormal: number | undefined;

/**
 * Starts the random stream anew.
 *
 * @param seed any integer; its low 32 bits count.
 *
 * @example
 * ```ts
 * import { manualSeed, randn } from "@staticquant/staticquant";
 * manualSeed(0);
 * const a = await randn([2]).data();
 * manualSeed(0);
 * const b = await randn([2]).data();
 * console.log(a[0] === b[0]); // true
 * ```
 */
export function manualSeed(seed: number): void {
  let z = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    z = (z + 0x9e3779b9) >>> 0;
    let t = z ^ (z >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    state[i] = t ^ (t >>> 15);
  }
  spareNormal = undefined;
}

manualSeed(0);

function nextUint32(): number {
  const x = Math.imul(state[1], 5);
  const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
  const t = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= t;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}

/** A number from the uniform distribution on [0, 1), with 24 random bits. */
export function nextUniform(): number {
  return (nextUint32() >>> 8) * 2 ** -24;
}

/** A number from the standard normal distribution (Box and Muller, 1958). */
export function nextNormal(): number {
  if (spareNormal !== undefined) {
    const spare = spareNormal;
    spareNormal = undefined;
    return spare;
  }
  const radius = Math.sqrt(-2 * Math.log(1 - nextUniform()));
  const angle = 2 * Math.PI * nextUniform();
  spareNormal = radius * Math.sin(angle);
  return radius * Math.cos(angle);
}
