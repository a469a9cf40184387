/**
 * Observers that count values and choose a range from the counts.
 *
 * @module
 */
import {
  decodeHistogram,
  emptyHistogramState,
  type Histogram,
  histogramPrefix,
  histogramProblem,
  mergeHistograms,
} from "../../backend/histogram_state.ts";
import { roundTo } from "../../numbers/rounding.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { chooseRange } from "../affine/range.ts";
import { type BatchTurn, mergeMinMaxPrefix, RangeObserver, type Ranges } from "./range_observer.ts";
import { OBSERVER_OPTIONS } from "./observer.ts";

export type { Histogram } from "../../backend/histogram_state.ts";

/**
 * The base class of observers that keep a histogram a block: 4096 bins on the device, of a width
 * that is a power of two and doubles when the range outgrows them, so that nothing counted is lost
 * or smeared, and counting on halves and merging gives the same counts as counting all at once. A
 * subclass chooses the range that a histogram stands for.
 *
 * @example
 * ```ts
 * import {
 *   type Histogram, HistogramObserverBase, MappingType, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * class HalfRangeObserver extends HistogramObserverBase {
 *   protected override chooseClip({ min, max }: Histogram): [number, number] {
 *     return [min / 2, max / 2];
 *   }
 * }
 * const observer = new HalfRangeObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * observer.forward(randn([4, 8]));
 * console.log(await (await observer.calculateQParams())[0].item());
 * ```
 */
export abstract class HistogramObserverBase extends RangeObserver {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "HistogramObserverBase";

  /** The range to use for one block's histogram. */
  protected abstract chooseClip(histogram: Histogram): [min: number, max: number];

  /** What the integers of a range would stand for. */
  protected quantizerOf(min: number, max: number): RangeQuantizer {
    const { mappingType, quantMin, quantMax, targetDtype, options } = this;
    const { eps, zeroPointDomain, preserveZero } = options;
    const domain = zeroPointDomain === "NONE" ? zeroPointDomain : undefined;
    const dtype = this.observedDtype!;
    const spec = { mappingType, quantMin, quantMax, dtype, eps, domain, preserveZero };
    const { scale, zeroPoint } = chooseRange(min, max, spec);
    return {
      scale,
      least: quantMin - zeroPoint,
      most: quantMax - zeroPoint,
      round: targetDtype.isFloat ? (x) => roundTo(targetDtype, x) : Math.round,
    };
  }

  /** No counts. */
  protected override emptyState(blocks: number): Uint8Array {
    return emptyHistogramState(blocks);
  }

  /** All but the counts, most of which are zero. */
  protected override neededWords(): number {
    return histogramPrefix(1) + 2;
  }

  /** Whether ranges, bins and counts suit each other. */
  protected override stateProblem(words: Uint32Array, blocks: number): string | undefined {
    return histogramProblem(words, blocks);
  }

  /** Widens the bins where the range has grown, and counts. */
  protected override update(
    state: Tensor,
    x: Tensor,
    block: readonly number[],
    { batch }: BatchTurn,
  ): void {
    x.backend.updateHistogram(state.operand.buffer, x.operand, block, batch);
  }

  /** The counts of both. */
  protected override mergeStates(a: Uint32Array, b: Uint32Array, blocks: number): Uint32Array {
    mergeMinMaxPrefix(a, b, blocks);
    mergeHistograms(a, b, blocks);
    return a;
  }

  /** Each block's chosen range. */
  protected override chooseRanges(words: Uint32Array, blocks: number): Ranges {
    const clips = Array.from(
      { length: blocks },
      (_, block) => this.chooseClip(decodeHistogram(words, blocks, block)),
    );
    return {
      min: Float32Array.from(clips, ([min]) => min),
      max: Float32Array.from(clips, ([, max]) => max),
    };
  }

  /**
   * The histograms, one a block. Waits.
   *
   * @throws {Error} if nothing was seen yet.
   */
  async histograms(): Promise<Histogram[]> {
    if (!this.state) throw new Error(`${this.displayName}: histograms() before any data`);
    const words = new Uint32Array((await this.state.bytes()).slice().buffer);
    return Array.from({ length: this.blocks }, (_, i) => decodeHistogram(words, this.blocks, i));
  }
}

/**
 * Chooses the range with the least expected squared error, clipping against rounding; what PyTorch's
 * `HistogramObserver` is for. From the whole range, either end moves inwards while that lowers
 * `Σ count·(dequantize(quantize(x)) − x)²` over the bins, with the scale and the zero point that
 * would really be used.
 *
 * @example
 * ```ts
 * import { AffineQuantizedHistogramObserver, MappingType, PerTensor, randn, uint8 } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * for (let i = 0; i < 10; i++) observer.forward(randn([8, 64]));
 * const [min, max] = await observer.minMax();
 * console.log(await min.item(), await max.item());
 * ```
 */
export class AffineQuantizedHistogramObserver extends HistogramObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedHistogramObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = OBSERVER_OPTIONS;
  /** The range with the least expected squared error. */
  protected override chooseClip(histogram: Histogram): [min: number, max: number] {
    const { min, max } = histogram;
    const bins = occupied(histogram);
    const cost = (low: number, high: number) => expectedError(bins, this.quantizerOf(low, high));
    let best: [number, number] = [min, max];
    let least = cost(min, max);
    // Shares of the range to try for each end, coarse to fine; zero stays in the range anyway.
    for (let step = 0.2; step > 1e-4; step /= 2) {
      for (let improved = true; improved;) {
        improved = false;
        const [low, high] = best;
        const delta = step * (high - low);
        for (
          const [l, h] of [
            [low + delta, high],
            [low, high - delta],
            [low + delta, high - delta],
            [low - delta, high],
            [low, high + delta],
          ]
        ) {
          const candidate: [number, number] = [Math.max(l, min), Math.min(h, max)];
          if (!(candidate[0] < candidate[1])) continue;
          const error = cost(...candidate);
          if (error < least) [least, best, improved] = [error, candidate, true];
        }
      }
    }
    return best;
  }
}

/** How values are quantized once a range is chosen, in steps of `scale` from zero. */
export interface RangeQuantizer {
  /** A step. */
  readonly scale: number;
  /** The least number of steps. */
  readonly least: number;
  /** The greatest number of steps. */
  readonly most: number;
  /** To a whole step, or a number of an 8-bit float dtype. */
  readonly round: (steps: number) => number;
}

/** A bin that holds something. */
export interface OccupiedBin {
  /** The middle of what it may hold. */
  readonly center: number;
  readonly count: number;
}

/** The bins that hold something, in order. */
export function occupied({ counts, start, width, min, max }: Histogram): OccupiedBin[] {
  const bins: OccupiedBin[] = [];
  counts.forEach((count, i) => {
    if (count === 0) return;
    // A bin's values lie between its edges and within what was seen.
    const low = Math.max(start + i * width, min);
    const high = Math.min(start + (i + 1) * width, max);
    bins.push({ center: (low + high) / 2, count });
  });
  return bins;
}

/** The step that `x` becomes. */
export function stepOf(x: number, { scale, least, most, round }: RangeQuantizer): number {
  return round(Math.min(Math.max(x / scale, least), most));
}

/** `Σ count·(dequantize(quantize(center)) − center)²`. */
export function expectedError(bins: readonly OccupiedBin[], quantizer: RangeQuantizer): number {
  let sum = 0;
  for (const { center, count } of bins) {
    sum += count * (stepOf(center, quantizer) * quantizer.scale - center) ** 2;
  }
  return sum;
}
