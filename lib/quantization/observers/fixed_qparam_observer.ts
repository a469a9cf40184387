/**
 * The observer that does not look.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { float32, int32 } from "../../numbers/dtype.ts";
import { formatShape, sameShape } from "../../numbers/shape.ts";
import { type Tensor, tensor, zeros } from "../../tensor/tensor.ts";
import type { MappingType } from "../affine/mapping.ts";
import type { QParams } from "../affine/primitives.ts";
import { AffineQuantizedObserverBase, type ObserverOptions } from "./observer.ts";

/** Options of {@linkcode AffineQuantizedFixedQParamObserver}. */
export interface FixedQParamObserverOptions extends ObserverOptions {
  /** The scale to give; 1 by default. */
  scale?: Tensor | number;
  /** The zero point to give; 0 by default. */
  zeroPoint?: Tensor | number;
}

/**
 * Gives the scale and the zero point that it was given, whatever passes; torchao's observer of that
 * name. For ranges known beforehand, such as a sigmoid's.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedFixedQParamObserver, MappingType, PerTensor, uint8,
 * } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedFixedQParamObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 *   scale: 1 / 255,
 * });
 * const [scale] = await observer.calculateQParams();
 * console.log(await scale.item()); // 0.003921…
 * ```
 */
export class AffineQuantizedFixedQParamObserver extends AffineQuantizedObserverBase {
  private scale!: Tensor;
  private zeroPoint!: Tensor;

  /**
   * An observer that gives these parameters.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options as for every observer, and the scale and zero point to give.
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: FixedQParamObserverOptions) {
    super(mappingType, targetDtype, options);
    const { scale = 1, zeroPoint } = options;
    this.setQParams(scale, zeroPoint);
  }

  /**
   * Replaces scale and zero point.
   *
   * @param scale the new scale.
   * @param zeroPoint the new zero point, of the same shape; zeros by default.
   * @throws {RangeError} if the shapes differ.
   */
  setQParams(scale: Tensor | number, zeroPoint?: Tensor | number): void {
    const { scaleDtype = float32, zeroPointDtype = int32 } = this.options;
    const s = typeof scale === "number" ? tensor([scale]) : scale;
    const { shape, device } = s;
    const z = zeroPoint === undefined
      ? zeros(shape, { device })
      : typeof zeroPoint === "number"
      ? tensor([zeroPoint], { device })
      : zeroPoint;
    if (!sameShape(z.shape, shape)) {
      throw new RangeError(
        `${this.displayName}: the scale has shape ${formatShape(shape)}, the zero point ${
          formatShape(z.shape)
        }`,
      );
    }
    this.scale = s.to(scaleDtype).keep();
    this.zeroPoint = z.to(zeroPointDtype).keep();
  }

  /** Returns `x`, having looked at nothing. */
  override forward(x: Tensor): Tensor {
    return x;
  }

  /** The scale and the zero point that were set. */
  override calculateQParams(): Promise<QParams> {
    return Promise.resolve([this.scale, this.zeroPoint]);
  }
}
