/**
 * The observer that does not look.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { float32, int32 } from "../../numbers/dtype.ts";
import { formatShape, sameShape } from "../../numbers/shape.ts";
import { given } from "../../numbers/arguments.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { Tensor, tensor, zeros } from "../../tensor/tensor.ts";
import type { MappingType } from "../affine/mapping.ts";
import type { QParams } from "../affine/primitives.ts";
import { AffineQuantizedObserverBase, OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";

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
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedFixedQParamObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = [
    ...OBSERVER_OPTIONS,
    "scale",
    "zeroPoint",
  ];
  private scale!: Tensor;
  private zeroPoint!: Tensor;
  /** The zero points as they were given, if that was as a tensor. */
  private unchecked!: Tensor | null;

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
   * @throws {RangeError} if the shapes differ, a scale is not above 0, or a zero point none of the integers;
   * those of tensors are looked at by {@linkcode AffineQuantizedFixedQParamObserver.calculateQParams}.
   */
  setQParams(scale: Tensor | number, zeroPoint?: Tensor | number): void {
    const where = this.displayName;
    const s = numbersTensor(where, "scale", scale);
    const { shape, device } = s;
    const z = zeroPoint === undefined
      ? zeros(shape, { device })
      : numbersTensor(where, "zero point", zeroPoint, device);
    if (!sameShape(z.shape, shape)) {
      throw new RangeError(
        `${where}: the scale has shape ${formatShape(shape)}, the zero point ${
          formatShape(z.shape)
        }`,
      );
    }
    if (!s.dtype.isFloat) {
      throw new TypeError(`${where}: the scale must be float, got ${s.dtype.name}`);
    }
    const domain = this.options.zeroPointDomain;
    const { scaleDtype = float32, zeroPointDtype = domain === "FLOAT" ? float32 : int32 } =
      this.options;
    if (typeof scale === "number") checkScales(where, [scale], scaleDtype);
    if (typeof zeroPoint === "number") this.checkZeroPoints([zeroPoint]);
    this.scale = s.to(scaleDtype).keep();
    this.zeroPoint = z.to(zeroPointDtype).keep();
    // Integers that a cast would truncate are looked at when asked for.
    this.unchecked = typeof zeroPoint === "number" ? null : z.clone().keep();
  }

  /** Refuses zero points that the integers do not have. */
  private checkZeroPoints(values: ArrayLike<number>): void {
    const { quantMin, quantMax, options, displayName } = this;
    const isFloat = options.zeroPointDomain === "FLOAT";
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      const fits = isFloat
        ? Number.isFinite(value)
        : Number.isInteger(value) && value >= quantMin && value <= quantMax;
      if (fits) continue;
      throw new RangeError(
        `${displayName}: zero point ${i} is ${value}, but must be ${
          isFloat ? "a finite number" : `an integer from ${quantMin} to ${quantMax}`
        }`,
      );
    }
  }

  /** Returns `x`, having looked at nothing. */
  override forward(x: Tensor): Tensor {
    return x;
  }

  /**
   * The scale and the zero point that were set; no zero point with `ZeroPointDomain.NONE`. Waits where they were
   * given as tensors.
   *
   * @throws {RangeError} if a scale is not above 0, or a zero point is none of the integers.
   */
  override async calculateQParams(): Promise<QParams> {
    const { scale, zeroPoint, unchecked, displayName } = this;
    if (unchecked) {
      checkScales(displayName, await scale.data(), scale.dtype);
      this.checkZeroPoints(await unchecked.data());
    }
    const none = this.options.zeroPointDomain === "NONE";
    return [scale, (none ? null : zeroPoint)!];
  }
}

function numbersTensor(
  where: string,
  name: string,
  value: unknown,
  device?: Tensor["device"],
): Tensor {
  if (value instanceof Tensor) return value;
  if (typeof value === "number") return tensor([value], { device });
  throw new TypeError(`${where}: the ${name} must be a number or a Tensor, got ${given(value)}`);
}

/** Refuses scales that no numbers can be quantized by. */
function checkScales(where: string, values: ArrayLike<number>, dtype: DType): void {
  for (let i = 0; i < values.length; i++) {
    const rounded = roundTo(dtype, values[i]);
    if (rounded > 0 && rounded < Infinity) continue;
    throw new RangeError(
      `${where}: scale ${i} is ${values[i]}, but must be a finite ${dtype.name} above 0`,
    );
  }
}
