/**
 * The observer of averaged minima and maxima.
 *
 * @module
 */
import { emptyMinMaxState } from "../../backend/minmax_state.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { MappingType } from "../affine/mapping.ts";
import { OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";
import { type BatchTurn, mergeMinMaxPrefix, RangeObserver, type Ranges } from "./range_observer.ts";

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
 * Its state takes four numbers a block. Merging weighs both averages by their batches, since the
 * order in which two processes saw their batches is not known.
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

  /** The batch's minima and maxima, then the averages as float32. */
  protected override emptyState(blocks: number): Uint8Array {
    const state = new Uint8Array(4 * (4 * blocks + 1));
    state.set(emptyMinMaxState(blocks));
    return state;
  }

  /** Whether the averages are from less to more. */
  protected override stateProblem(words: Uint32Array, blocks: number): string | undefined {
    const averages = new Float32Array(words.buffer, 4 * (2 * blocks + 1));
    for (let block = 0; block < blocks; block++) {
      const [min, max] = [averages[block], averages[blocks + block]];
      // Of numbers that are nearly the same, rounding may move one past the other.
      const slack = 1e-6 * Math.max(Math.abs(min), Math.abs(max));
      const fine = Number.isFinite(min) && Number.isFinite(max) && min <= max + slack;
      if (!fine) return `the average range of block ${block} is from ${min} to ${max}`;
    }
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
    const merged = mergeMinMaxPrefix(a, b, blocks);
    const averages = new Float32Array(merged.buffer, 4 * (2 * blocks + 1));
    const theirs = new Float32Array(b.buffer, 4 * (2 * blocks + 1));
    averages.forEach((own, i) => {
      averages[i] = (own * batchesA + theirs[i] * batchesB) / (batchesA + batchesB);
    });
    return merged;
  }

  /** The averages. */
  protected override chooseRanges(words: Uint32Array, blocks: number): Ranges {
    const averages = new Float32Array(words.buffer, 4 * (2 * blocks + 1));
    return { min: averages.slice(0, blocks), max: averages.slice(blocks) };
  }
}
