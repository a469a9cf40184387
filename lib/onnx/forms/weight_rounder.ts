/**
 * Rounding the weights of a model, each once however often the model is made.
 *
 * @module
 */
import type { ChannelSums } from "../../quantization/statistics/channel_sums.ts";
import { type BlockMatrix, roundBlocks } from "./blocks.ts";
import { hqqRounder, mseRounder, nearestRounder, type RoundingSpec } from "./group_rounders.ts";
import {
  awqFactors,
  gptqBlocks,
  importanceOf,
  type ScaledMatrix,
  type SeenProducts,
  withFactors,
} from "./learnt_rounding.ts";
import type { FloatWeight } from "./weight_formats.ts";

/** How weights are rounded. */
export type WeightsMethod = "nearest" | "mse" | "hqq" | "gptq" | "awq";

/** The methods. */
export const WEIGHT_METHODS: readonly WeightsMethod[] = ["nearest", "mse", "hqq", "gptq", "awq"];

/** How groups are rounded by methods that look at nothing else. */
const ROUNDERS = { nearest: nearestRounder, mse: mseRounder, hqq: hqqRounder };

/** What was learnt of the channels that layers read, by the names of values. */
export type LearntChannels = ReadonlyMap<string, ChannelSums>;

/** How weights are rounded. */
export interface RounderSpecs extends RoundingSpec {
  readonly groupSize: number;
  readonly method: WeightsMethod;
}

/** Rounds weights and remembers them. */
export class WeightRounder {
  private readonly done = new Map<string, BlockMatrix>();
  private readonly found = new Map<string, Float32Array | undefined>();

  constructor(private readonly specs: RounderSpecs, private readonly learnt?: LearntChannels) {}

  /**
   * Factors for the columns of all weights that read a value; nothing if there are none.
   *
   * @param matrices those weights.
   */
  factors(input: string, matrices: () => readonly ScaledMatrix[]): Float32Array | undefined {
    const { specs, found, learnt } = this;
    const sums = specs.method === "awq" ? learnt?.get(input) : undefined;
    if (!sums || sums.count === 0) return undefined;
    if (!found.has(input)) {
      found.set(input, awqFactors(matrices(), sums.channels.count, specs, sums));
    }
    return found.get(input);
  }

  /**
   * A weight in few bits.
   *
   * @param key by which it is known.
   * @param input what it is multiplied with.
   * @param factors of its columns.
   */
  round(
    key: string,
    weight: FloatWeight,
    input: string,
    factors: Float32Array | undefined,
  ): BlockMatrix {
    const known = this.done.get(key) ?? this.rounded(weight, input, factors);
    this.done.set(key, known);
    return known;
  }

  /** Rounds a weight by what it is multiplied with; that is what {@linkcode WeightRounder.round} gives then. */
  roundBy(key: string, { rows, columns, data }: FloatWeight, seen: SeenProducts): void {
    const { bits, groupSize } = this.specs;
    const layout = { rows, columns, groupSize, bits };
    this.done.set(key, gptqBlocks(data, layout, this.specs, seen));
  }

  /** Whether a weight was rounded. */
  has(key: string): boolean {
    return this.done.has(key);
  }

  private rounded(
    { rows, columns, data }: FloatWeight,
    input: string,
    factors: Float32Array | undefined,
  ): BlockMatrix {
    const { specs, learnt } = this;
    const { bits, groupSize, method, symmetric } = specs;
    const layout = { rows, columns, groupSize, bits };
    const sums = method === "awq" ? learnt?.get(input) : undefined;
    if (sums && sums.count > 0) {
      const importance = importanceOf(sums, factors);
      const scaled = factors ? withFactors(data, factors) : data;
      return roundBlocks(scaled, layout, mseRounder({ bits, symmetric, importance }), symmetric);
    }
    // What is not known, such as what inner graphs read, is rounded as without.
    const plain = method === "gptq" || method === "awq" ? "mse" : method;
    return roundBlocks(data, layout, ROUNDERS[plain](specs), symmetric);
  }
}
