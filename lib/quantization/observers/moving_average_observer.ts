/**
 * The observer of averaged minima and maxima.
 *
 * @module
 */
import { emptyMinMaxState } from "../../backend/minmax_state.ts";
import type { DType } from "../../numbers/dtype.ts";
import { ExactSums, MOST_ADDED } from "../../numbers/exact_sum.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { MappingType } from "../affine/mapping.ts";
import { OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";
import {
  type BatchTurn,
  mergeMinMaxPrefix,
  RangeObserver,
  type Ranges,
  type SavedRange,
} from "./range_observer.ts";

/** Options of {@linkcode AffineQuantizedMovingAverageMinMaxObserver}. */
export interface MovingAverageObserverOptions extends ObserverOptions {
  /** How far an average moves towards each batch, above 0 and at most 1; 0.01 by default. */
  averagingConstant?: number;
}

/**
 * Remembers a moving average of each block's minimum and maximum, so that a single odd batch counts
 * little; PyTorch's observer of that name:
 *
 * `min ← min + c·(min(x) − min)`, `max ← max + c·(max(x) − max)`, the first batch's own at first.
 *
 * Its state has one size, however many batches it sees. Merging weighs averages by their batches, since the order
 * in which processes saw their batches is not known; the sums are exact, so that the order of merging makes no
 * difference.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMovingAverageMinMaxObserver, MappingType, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedMovingAverageMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 *   averagingConstant: 0.1,
 * });
 * for (let i = 0; i < 10; i++) observer.forward(randn([8, 64]));
 * console.log(await (await observer.calculateQParams())[0].item());
 * ```
 */
export class AffineQuantizedMovingAverageMinMaxObserver extends RangeObserver {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedMovingAverageMinMaxObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = [
    ...OBSERVER_OPTIONS,
    "averagingConstant",
  ];
  /** How far an average moves towards each batch. */
  readonly averagingConstant: number;

  /**
   * An observer that has seen nothing.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options as for every observer, and the averaging constant.
   * @throws {RangeError} if the averaging constant is not in (0, 1].
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: MovingAverageObserverOptions) {
    super(mappingType, targetDtype, options);
    const { averagingConstant = 0.01 } = options;
    if (!(averagingConstant > 0 && averagingConstant <= 1)) {
      throw new RangeError(
        `${this.displayName}: averagingConstant must lie in (0, 1], got ${averagingConstant}`,
      );
    }
    this.averagingConstant = averagingConstant;
  }

  /** What two of these must share to be merged. */
  protected override settings(): Record<string, unknown> {
    return { averagingConstant: this.averagingConstant };
  }

  /**
   * The batch's minima and maxima, then the averages as float32. Behind them stands what merging needs: the batches
   * when it was merged last, how many of those the averages stand for, and for each average the exact sum of those
   * that were merged, each times its batches.
   */
  protected override emptyState(blocks: number): Uint8Array {
    const words = new Uint32Array(4 * blocks + 3 + 16 * blocks);
    words.set(new Uint32Array(emptyMinMaxState(blocks).buffer as ArrayBuffer));
    writeSums(words, blocks, new ExactSums(2 * blocks), 0, 0);
    return new Uint8Array(words.buffer);
  }

  /** Whether the averages are from less to more. */
  protected override stateProblem(words: Uint32Array, blocks: number): string | undefined {
    const averages = averagesIn(words, blocks);
    for (let block = 0; block < blocks; block++) {
      const [min, max] = [averages[block], averages[blocks + block]];
      // Of numbers that are nearly the same, rounding may move one past the other.
      const slack = 1e-6 * Math.max(Math.abs(min), Math.abs(max));
      const fine = Number.isFinite(min) && Number.isFinite(max) && min <= max + slack;
      if (!fine) return `the average range of block ${block} is from ${min} to ${max}`;
    }
    if (!readSums(words, blocks)) return "the sums of averages are none";
  }

  /** Finds the batch's range and moves the averages towards it. */
  protected override update(
    state: Tensor,
    x: Tensor,
    block: readonly number[],
    { batch, first }: BatchTurn,
  ): void {
    const { buffer } = state.operand;
    x.backend.updateMinMax(buffer, x.operand, block, batch);
    x.backend.moveAverages(buffer, this.blocks, first ? 1 : this.averagingConstant);
  }

  /** The averages of both, weighed by batches. */
  protected override mergeStates(
    a: Uint32Array,
    b: Uint32Array,
    blocks: number,
    [batchesA, batchesB]: readonly [number, number],
  ): Uint32Array {
    mergeMinMaxPrefix(a, b, blocks);
    const [own, theirs] = [weighed(a, blocks, batchesA), weighed(b, blocks, batchesB)];
    own.sums.merge(theirs.sums);
    const weight = own.weight + theirs.weight;
    writeSums(a, blocks, own.sums, batchesA + batchesB, weight);
    averagesIn(a, blocks).forEach((_, i, averages) => {
      averages[i] = own.sums.value(i) / weight;
    });
    return a;
  }

  /** The same averages, which empty batches have no part in. */
  protected override joinEmpty({ words, blocks, batches }: SavedRange, more: number): Uint32Array {
    const joined = words!.slice();
    const { sums, weight } = weighed(joined, blocks, batches);
    writeSums(joined, blocks, sums, batches + more, weight);
    return joined;
  }

  /** The averages. */
  protected override chooseRanges(words: Uint32Array, blocks: number): Ranges {
    const averages = averagesIn(words, blocks);
    return { min: averages.slice(0, blocks), max: averages.slice(blocks) };
  }
}

/** The averages in a state: of minima, then of maxima. */
function averagesIn(words: Uint32Array, blocks: number): Float32Array {
  return new Float32Array(words.buffer, words.byteOffset + 4 * (2 * blocks + 1), 2 * blocks);
}

/** The sums in a state, wherever float64 may begin; nothing if they are none. */
function readSums(words: Uint32Array, blocks: number): ExactSums | undefined {
  const numbers = new Float64Array(words.slice(4 * blocks + 3).buffer);
  const [places, digits] = [numbers.slice(0, 2 * blocks), numbers.slice(2 * blocks)];
  return ExactSums.load({ places, digits }, MOST_ADDED);
}

function writeSums(
  words: Uint32Array,
  blocks: number,
  sums: ExactSums,
  batches: number,
  weight: number,
): void {
  const { places, digits } = sums.save();
  const numbers = new Float64Array([...places, ...digits]);
  words[4 * blocks + 1] = batches;
  words[4 * blocks + 2] = weight;
  words.set(new Uint32Array(numbers.buffer), 4 * blocks + 3);
}

/** The averages times their batches: those that were merged, unless they have moved since. */
function weighed(
  words: Uint32Array,
  blocks: number,
  batches: number,
): { sums: ExactSums; weight: number } {
  const merged = words[4 * blocks + 1] === batches ? readSums(words, blocks) : undefined;
  if (merged) return { sums: merged, weight: words[4 * blocks + 2] };
  const sums = new ExactSums(2 * blocks);
  averagesIn(words, blocks).forEach((average, i) => {
    // After a batch that holds a NaN, which is told in the end, they mean nothing.
    if (Number.isFinite(average)) sums.add(i, average * batches);
  });
  return { sums, weight: batches };
}
