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

/** Parts of the scale that holds all which are tried, by whether integers are few or many. */
const FEW = [1.06, 0.94, 0.88, 0.82, 0.76, 0.7, 0.62];
const MANY = [0.99, 0.97];

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
 * What has the least squared error: scales around the one that holds all are tried, then zero points beside the one
 * that it has, and the best is fitted to its integers.
 */
export function mseRounder(spec: RoundingSpec): GroupRounder {
  const { bits, symmetric, importance } = spec;
  const most = 2 ** bits - 1;
  const parts = bits > 4 ? MANY : FEW;
  return (group, start, chosen) => {
    hold(group, spec, chosen);
    const { scale: whole, zeroPoint: middle } = chosen;
    if (whole === 0 || !Number.isFinite(1 / whole)) return;
    const weights = importance?.subarray(start, start + group.length);
    const weighted = { group, weights, most };
    let least = errorOf(weighted, Math.fround(whole), middle);
    const consider = (scale: number, zero: number) => {
      if (zero < 0 || zero > most) return;
      const error = errorOf(weighted, scale, zero);
      if (error < least) [least, chosen.scale, chosen.zeroPoint] = [error, scale, zero];
    };
    for (const part of parts) consider(whole * part, middle);
    if (symmetric) { for (const part of [1, ...parts]) consider(-whole * part, middle); }
    else {
      // The end that is cut off more moves the zero point.
      const best = chosen.scale;
      for (const zero of [middle - 1, middle + 1]) consider(best, zero);
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
/** How strongly it begins to hold on to the errors, in steps, by how much more in each round, and how many there are. */
const BETA = 10;
const KAPPA = 1.05;
const ROUNDS = 12;

/** An error, in steps, without what the norm lets go. */
function shrunk(off: number, beta: number): number {
  const size = Math.abs(off);
  if (size === 0) return 0;
  return Math.sign(off) * Math.max(size - size ** (NORM - 1) / beta, 0);
}

/**
 * Half-quadratic quantization: what has the least sum of the errors' powers of 0.7, which leaves outliers to themselves. In
 * turn the errors are shrunk, and scale and zero point fitted to what is left.
 *
 * Badri and Shaji, "Half-Quadratic Quantization of Large Machine Learning Models", 2023; there the zero point is a
 * float, and alone is fitted.
 */
export function hqqRounder(spec: RoundingSpec): GroupRounder {
  const { bits, symmetric } = spec;
  const most = 2 ** bits - 1;
  return (group, _, chosen) => {
    hold(group, spec, chosen);
    let { scale, zeroPoint } = chosen;
    if (scale === 0 || !Number.isFinite(1 / scale)) return;
    let beta = BETA;
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++, beta *= KAPPA) {
      const sums = shrunkSums(group, { scale, zeroPoint }, most, beta);
      if (sums.size < best) {
        best = sums.size;
        [chosen.scale, chosen.zeroPoint] = [scale, zeroPoint];
      }
      const fit = symmetric
        ? aroundZero(sums, group.length, zeroPoint)
        : fitted(sums, group.length);
      if (!fit || fit.scale === scale && fit.zeroPoint === zeroPoint) break;
      scale = Math.fround(fit.scale);
      zeroPoint = Math.min(Math.max(fit.zeroPoint, 0), most);
    }
  };
}

/** What the integers and the numbers that they are fitted to add up to. */
interface Sums {
  q: number;
  x: number;
  qq: number;
  qx: number;
  /** The powers of the errors. */
  size: number;
}

function shrunkSums(
  group: Float32Array,
  { scale, zeroPoint }: GroupParams,
  most: number,
  beta: number,
): Sums {
  const perStep = 1 / scale;
  const sums = { q: 0, x: 0, qq: 0, qx: 0, size: 0 };
  for (let i = 0; i < group.length; i++) {
    let q = group[i] * perStep + zeroPoint + ROUNDER - ROUNDER;
    if (q < 0) q = 0;
    else if (q > most) q = most;
    const off = group[i] * perStep + zeroPoint - q;
    const x = group[i] - shrunk(off, beta) * scale;
    sums.size += Math.abs(off * scale) ** NORM;
    sums.q += q;
    sums.x += x;
    sums.qq += q * q;
    sums.qx += q * x;
  }
  return sums;
}

/** The line through integers and numbers. */
function fitted({ q, x, qq, qx }: Sums, count: number): GroupParams | undefined {
  const scale = (count * qx - q * x) / (count * qq - q * q);
  return scale > 0 && Number.isFinite(scale)
    ? { scale, zeroPoint: Math.round((q - x / scale) / count) }
    : undefined;
}

/** The line whose zero point is known. */
function aroundZero(
  { q, x, qq, qx }: Sums,
  count: number,
  zeroPoint: number,
): GroupParams | undefined {
  const scale = (qx - zeroPoint * x) / (qq - 2 * zeroPoint * q + count * zeroPoint ** 2);
  return scale !== 0 && Number.isFinite(scale) ? { scale, zeroPoint } : undefined;
}
