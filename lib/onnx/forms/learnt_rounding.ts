/**
 * Rounding weights by what their layers read.
 *
 * @module
 */
import { gptq } from "../../quantization/improve/gptq.ts";
import type { ChannelSums } from "../../quantization/statistics/channel_sums.ts";
import { type BlockLayout, type BlockMatrix, roundBlocks, unroundBlocks } from "./blocks.ts";
import { mseRounder, nearestRounder, type RoundingSpec } from "./group_rounders.ts";

/** What a weight is multiplied with: the products of its columns' inputs with each other, and how they were learnt. */
export interface SeenProducts {
  readonly products: ArrayLike<number>;
  /** Whether inputs were made up, so that how they go together says less of what will be read. */
  readonly madeUp: boolean;
}

/** A scale that stands for none, where all of a group is 0. */
const LEAST_SCALE = 2 ** -60;

/**
 * Rounds a matrix by GPTQ: scales as those of the least squared error, in which columns count as the squares of what they
 * are multiplied with.
 */
export function gptqBlocks(
  data: Float32Array,
  layout: BlockLayout,
  { bits, symmetric }: RoundingSpec,
  { products, madeUp }: SeenProducts,
): BlockMatrix {
  const { columns, groupSize, rows } = layout;
  const importance = Float32Array.from({ length: columns }, (_, k) => products[k * columns + k]);
  const rounder = mseRounder({ bits, symmetric, importance });
  const plain = roundBlocks(data, layout, rounder, symmetric);
  const scales = plain.scales.map((scale) => scale === 0 ? LEAST_SCALE : scale);
  const zeroPoints = plain.zeroPoints ?? new Uint8Array(scales.length).fill(2 ** (bits - 1));
  const { integers } = gptq(data, products, rows, {
    quantMin: 0,
    quantMax: 2 ** bits - 1,
    groupSize,
    scales,
    zeroPoints,
    damping: madeUp ? DAMPING.madeUp : DAMPING.given,
  });
  return { ...plain, scales, integers: Uint8Array.from(integers) };
}

/** What is added to the diagonal of products, as a share of its mean: more where less is known. */
const DAMPING = { given: 0.03, madeUp: 0.1 };

/** Powers of what channels are read as that are tried as factors. */
const POWERS = [0.25, 0.5, 0.75];

/** A matrix whose columns are to be multiplied with common factors. */
export interface ScaledMatrix {
  readonly data: Float32Array;
  readonly rows: number;
}

/**
 * Factors of the columns of matrices that read the same, as AWQ finds them: large inputs are made smaller and their columns
 * larger, by a power of their size that costs the products least when the matrices are rounded.
 *
 * Lin et al., "AWQ: Activation-aware Weight Quantization for On-Device LLM Compression and Acceleration", 2023.
 *
 * @returns nothing if no power is better than none.
 */
export function awqFactors(
  matrices: readonly ScaledMatrix[],
  columns: number,
  { bits, symmetric, groupSize }: RoundingSpec & { readonly groupSize: number },
  sums: ChannelSums,
): Float32Array | undefined {
  const squares = sums.meanSquares();
  const rounder = nearestRounder({ bits, symmetric });
  const cost = (factors: Float32Array) =>
    matrices.reduce((cost, { data, rows }) => {
      const layout = { rows, columns, groupSize, bits };
      const scaled = withFactors(data, factors);
      const rounded = unroundBlocks(roundBlocks(scaled, layout, rounder, symmetric));
      return cost + rounded.reduce((sum, x, i) => {
        const k = i % columns;
        return sum + squares[k] * ((x - scaled[i]) / factors[k]) ** 2;
      }, 0);
    }, 0);
  let best: Float32Array | undefined;
  let least = cost(new Float32Array(columns).fill(1));
  for (const power of POWERS) {
    const factors = factorsOf(squares, power);
    const error = cost(factors);
    if (error < least) [least, best] = [error, factors];
  }
  return best;
}

/** Factors of a power, whose greatest and least lie as far above 1 as below. */
function factorsOf(squares: Float64Array, power: number): Float32Array {
  const raw = Array.from(squares, (square) => Math.max(Math.sqrt(square), 1e-4) ** power);
  const middle = Math.sqrt(Math.max(...raw) * Math.min(...raw));
  return Float32Array.from(raw, (x) => x / middle);
}

/** A matrix with its columns multiplied. */
export function withFactors(data: Float32Array, factors: Float32Array): Float32Array {
  return data.map((x, i) => x * factors[i % factors.length]);
}

/** How much an error of each column counts once these are multiplied. */
export function importanceOf(sums: ChannelSums, factors?: Float32Array): Float32Array {
  return Float32Array.from(sums.meanSquares(), (square, k) => square / (factors?.[k] ?? 1) ** 2);
}
