/**
 * Choosing a scale and a zero point for a group of weights.
 *
 * @module
 */
import type { GroupParams, GroupRounder } from "./blocks.ts";

/** How groups are rounded. */
export interface RoundingSpec {
  readonly bits: number;
  /** Whether the zero point is 2^(bits − 1). */
  readonly symmetric: boolean;
  /** How much an error of each column counts; each as much as another if there is none. */
  readonly importance?: Float32Array;
}

/** Added and taken away again, it leaves the nearest integer. */
const ROUNDER = 1.5 * 2 ** 52;

/** Scale and zero point with which the integers hold the greatest elements of a group. */
function hold(group: Float32Array, { bits, symmetric }: RoundingSpec, chosen: GroupParams): void {
  let [min, max] = [0, 0];
  for (let i = 0; i < group.length; i++) {
    const x = group[i];
    if (x < min) min = x;
    if (x > max) max = x;
  }
  if (symmetric) {
    // The integers reach further down than up, so the greatest element is put there, whatever its sign.
    const half = 2 ** (bits - 1);
    chosen.scale = (-min >= max ? -min : -max) / half;
    chosen.zeroPoint = half;
    return;
  }
  const most = 2 ** bits - 1;
  chosen.scale = (max - min) / most;
  chosen.zeroPoint = chosen.scale === 0 ? 0 : Math.min(Math.round(-min / chosen.scale), most);
}

/** Ends of the range, rounded to nearest. */
export function nearestRounder(spec: RoundingSpec): GroupRounder {
  return (group, _, chosen) => hold(group, spec, chosen);
}

/** How far a scale is shortened or stretched in a search, as factors of what holds all. */
const SHORTEST = 0.5;
const LONGEST = 1.1;
const STEPS = 30;

/** How often a scale is fitted to the integers that it gives. */
const REFITS = 4;

/** The elements of a group and how much each counts. */
interface Weighted {
  readonly group: Float32Array;
  readonly weights: Float32Array | undefined;
  readonly most: number;
}

/** The weighted squared error of a scale and a zero point. */
function errorOf({ group, weights, most }: Weighted, scale: number, zero: number): number {
  const perStep = 1 / scale;
  let sum = 0;
  for (let i = 0; i < group.length; i++) {
    const x = group[i];
    let q = x * perStep + zero + ROUNDER - ROUNDER;
    if (q < 0) q = 0;
    else if (q > most) q = most;
    const off = x - (q - zero) * scale;
    sum += weights ? weights[i] * off * off : off * off;
  }
  return sum;
}

/** The scale with the least squared error for the integers that a scale gives. */
function refit({ group, weights, most }: Weighted, scale: number, zero: number): number {
  const perStep = 1 / scale;
  let [products, squares] = [0, 0];
  for (let i = 0; i < group.length; i++) {
    const x = group[i];
    let q = x * perStep + zero + ROUNDER - ROUNDER;
    if (q < 0) q = 0;
    else if (q > most) q = most;
    const steps = q - zero;
    const weight = weights ? weights[i] : 1;
    products += weight * steps * x;
    squares += weight * steps * steps;
  }
  return squares > 0 && products !== 0 ? products / squares : scale;
}

/**
 * What has the least squared error: scales around the one that holds all are tried with zero points around where
 * they have to be, and the best is fitted to its integers.
 */
export function mseRounder(spec: RoundingSpec): GroupRounder {
  const { bits, symmetric, importance } = spec;
  const most = 2 ** bits - 1;
  return (group, start, chosen) => {
    hold(group, spec, chosen);
    const { scale: whole, zeroPoint: middle } = chosen;
    if (whole === 0 || !Number.isFinite(1 / whole)) return;
    const weights = importance?.subarray(start, start + group.length);
    const weighted = { group, weights, most };
    let least = errorOf(weighted, Math.fround(whole), middle);
    const consider = (scale: number, zero: number) => {
      const error = errorOf(weighted, scale, zero);
      if (error < least) [least, chosen.scale, chosen.zeroPoint] = [error, scale, zero];
    };
    const signs = symmetric ? [1, -1] : [1];
    const moves = symmetric ? [0] : bits > 4 ? [-1, 0, 1] : [-2, -1, 0, 1, 2];
    for (let i = 0; i < STEPS; i++) {
      const factor = SHORTEST + (LONGEST - SHORTEST) * i / (STEPS - 1);
      for (const sign of signs) {
        for (const move of moves) {
          const zero = middle + move;
          if (zero >= 0 && zero <= most) consider(sign * whole * factor, zero);
        }
      }
    }
    for (let i = 0; i < REFITS; i++) {
      const { scale, zeroPoint } = chosen;
      consider(Math.fround(refit(weighted, scale, zeroPoint)), zeroPoint);
      if (chosen.scale === scale) break;
    }
  };
}

/** The norm below 1 that half-quadratic splitting minimizes, which lets a few errors be large. */
const NORM = 0.7;
/** How strongly it begins to hold on to the errors, by how much more in each round, and how many there are. */
const BETA = 10;
const KAPPA = 1.01;
const ROUNDS = 20;

/**
 * Half-quadratic quantization: the zero point is moved so that the errors have a small norm of 0.7, which leaves
 * outliers to themselves; scale and zero point are then fitted as in the others.
 *
 * Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023.
 */
export function hqqRounder(spec: RoundingSpec): GroupRounder {
  const { bits, symmetric } = spec;
  const most = 2 ** bits - 1;
  const fine = mseRounder(spec);
  return (group, start, chosen) => {
    if (symmetric) return shrunkScale(group, spec, chosen);
    hold(group, spec, chosen);
    const { scale } = chosen;
    if (scale === 0 || !Number.isFinite(1 / scale)) return fine(group, start, chosen);
    let zero = chosen.zeroPoint;
    let beta = BETA;
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++, beta *= KAPPA) {
      let [sum, size] = [0, 0];
      for (let i = 0; i < group.length; i++) {
        const x = group[i];
        let q = x / scale + zero + ROUNDER - ROUNDER;
        if (q < 0) q = 0;
        else if (q > most) q = most;
        const off = x - (q - zero) * scale;
        size += Math.abs(off);
        sum += q - (x - shrink(off, beta)) / scale;
      }
      if (size >= best) break;
      best = size;
      chosen.zeroPoint = Math.min(Math.max(Math.round(zero), 0), most);
      zero = sum / group.length;
    }
  };
}

/** An error without what the norm lets go. */
function shrink(off: number, beta: number): number {
  const size = Math.abs(off);
  if (size === 0) return 0;
  return Math.sign(off) * Math.max(size - size ** (NORM - 1) / beta, 0);
}

/** Where the zero point is fixed, the scale is moved in the same way. */
function shrunkScale(group: Float32Array, spec: RoundingSpec, chosen: GroupParams): void {
  hold(group, spec, chosen);
  const most = 2 ** spec.bits - 1;
  const { zeroPoint: zero } = chosen;
  let { scale } = chosen;
  if (scale === 0 || !Number.isFinite(1 / scale)) return;
  let beta = BETA;
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++, beta *= KAPPA) {
    let [products, squares, size] = [0, 0, 0];
    for (let i = 0; i < group.length; i++) {
      const x = group[i];
      let q = x / scale + zero + ROUNDER - ROUNDER;
      if (q < 0) q = 0;
      else if (q > most) q = most;
      const steps = q - zero;
      const off = x - steps * scale;
      size += Math.abs(off);
      products += steps * (x - shrink(off, beta));
      squares += steps * steps;
    }
    if (size >= best) break;
    [best, chosen.scale] = [size, scale];
    if (squares === 0 || products === 0) break;
    scale = Math.fround(products / squares);
  }
}
