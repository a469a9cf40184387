/**
 * The observer of running minima and maxima.
 *
 * @module
 */
import { decodeMinMaxState, emptyMinMaxState, minMaxProblem } from "../../backend/minmax_state.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type BatchTurn, mergeMinMaxPrefix, RangeObserver, type Ranges } from "./range_observer.ts";
import { OBSERVER_OPTIONS } from "./observer.ts";

/**
 * Remembers the least and the greatest value of each block over all batches; torchao's observer of
 * that name. Its state stays on the device and takes two numbers a block; a batch costs one pass
 * over it and no readback. Merging is exact.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, MappingType, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * for (let i = 0; i < 10; i++) observer.forward(randn([8, 64]));
 * const [scale, zeroPoint] = await observer.calculateQParams();
 * console.log(await scale.item(), await zeroPoint.item());
 * ```
 */
export class AffineQuantizedMinMaxObserver extends RangeObserver {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedMinMaxObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = OBSERVER_OPTIONS;
  /** No minimum, no maximum, no bad batch. */
  protected override emptyState(blocks: number): Uint8Array {
    return emptyMinMaxState(blocks);
  }

  /** Whether the ranges are from less to more. */
  protected override stateProblem(words: Uint32Array, blocks: number): string | undefined {
    return minMaxProblem(words, blocks);
  }

  /** Widens the ranges. */
  protected override update(
    state: Tensor,
    x: Tensor,
    block: readonly number[],
    { batch }: BatchTurn,
  ): void {
    x.backend.updateMinMax(state.operand.buffer, x.operand, block, batch);
  }

  /** The wider of both. */
  protected override mergeStates(a: Uint32Array, b: Uint32Array, blocks: number): Uint32Array {
    mergeMinMaxPrefix(a, b, blocks);
    return a;
  }

  /** The ranges as they are. */
  protected override chooseRanges(words: Uint32Array): Ranges {
    return decodeMinMaxState(new Uint8Array(words.buffer));
  }
}
