/**
 * The observer of running minima and maxima.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { collapseBlocks, countBlocks } from "../../backend/blocks.ts";
import { decodeMinMaxState, emptyMinMaxState } from "../../backend/minmax_state.ts";
import { type DType, int32, promoteTypes } from "../../tensor/dtype.ts";
import { formatShape } from "../../tensor/shape.ts";
import { type Tensor, tensor, tensorFromBytes } from "../../tensor/tensor.ts";
import { getBlockSize, qparamShape } from "../granularity.ts";
import { type QParams, qparamsOf } from "../primitives.ts";
import { AffineQuantizedObserverBase } from "./observer.ts";

/**
 * Remembers the least and the greatest value of each block over all batches; torchao's observer of
 * that name. Its state stays on the device and takes two numbers a block; a batch costs one pass
 * over it and no readback.
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
export class AffineQuantizedMinMaxObserver extends AffineQuantizedObserverBase {
  private state: Tensor | null = null;
  private observedShape: readonly number[] = [];
  private observedDtype: DType | undefined;
  private batches = 0;

  /**
   * Folds a batch into the range. An empty batch is ignored. Enqueued.
   *
   * @param x float.
   * @returns `x` itself.
   * @throws {RangeError} if the batch falls into other blocks than those before it.
   * @throws {TypeError} if `x` is not float.
   */
  override forward(x: Tensor): Tensor {
    if (x.numel === 0) return x;
    if (!x.dtype.isFloat) {
      throw new TypeError(`${this.displayName}: observers take float tensors, got ${x.dtype.name}`);
    }
    const block = getBlockSize(x.shape, this.granularity);
    const shape = qparamShape(x.shape, block, this.options.keepdim);
    const blocks = countBlocks(collapseBlocks(x.shape, block));
    if (this.state && this.state.numel !== 2 * blocks + 1) {
      throw new RangeError(
        `${this.displayName}: with ${this.granularity} this batch of shape ${
          formatShape(x.shape)
        } has ` +
          `ranges of shape ${formatShape(shape)}, those before it ${
            formatShape(this.observedShape)
          }; ` +
          `make the batches alike or observe PerTensor`,
      );
    }
    if (this.state && this.state.backend !== x.backend) {
      throw new Error(
        `${this.displayName}: this batch is on ${x.device}, those before it on ${this.state.device}`,
      );
    }
    if (!this.state) {
      const bytes = emptyMinMaxState(blocks);
      const words = [2 * blocks + 1];
      this.state = tensorFromBytes(bytes, { shape: words, dtype: int32, device: x.device }).keep();
      this.observedShape = shape;
    }
    this.observedDtype = this.observedDtype ? promoteTypes(this.observedDtype, x.dtype) : x.dtype;
    x.backend.updateMinMax(this.state.operand.buffer, x.operand, block, this.batches++);
    return x;
  }

  /**
   * The least and the greatest values seen, one a block, in the dtype observed. Waits.
   *
   * @throws {Error} if nothing was seen yet, or a NaN or an infinity was.
   */
  async minMax(): Promise<[min: Tensor, max: Tensor]> {
    const { min, max, device } = await this.range("minMax");
    const options = { shape: this.observedShape, dtype: this.observedDtype, device };
    return [tensor(min, options), tensor(max, options)];
  }

  /**
   * The scale and the zero point for the range seen; formulas as in `chooseQParamsAffine`. Waits.
   *
   * @throws {Error} if nothing was seen yet, or a NaN or an infinity was: the message says in which
   * batch.
   */
  override async calculateQParams(): Promise<QParams> {
    const { min, max, device } = await this.range("calculateQParams");
    const { mappingType, targetDtype, observedShape, options } = this;
    return qparamsOf(
      min,
      max,
      this.observedDtype!,
      mappingType,
      targetDtype,
      observedShape,
      { device },
      options,
    );
  }

  /** Reads the state, or says why there is no range. */
  private async range(
    operation: string,
  ): Promise<{ min: Float32Array; max: Float32Array; device: Device }> {
    if (!this.state) {
      throw new Error(
        `${this.displayName}: ${operation}() before any data; run sample inputs through the model first`,
      );
    }
    const { device } = this.state;
    const { min, max, badBatch } = decodeMinMaxState(await this.state.bytes());
    if (badBatch !== undefined) {
      throw new RangeError(
        `${this.displayName}: batch ${badBatch} of the calibration (counted from 0) holds a NaN or an ` +
          `infinity, which have no range; look at that input and at the layers before this one`,
      );
    }
    return { min, max, device };
  }
}
