/**
 * Linear layers under observation for SmoothQuant.
 *
 * @module
 */
import type { Linear } from "../../nn/linear.ts";
import { int8 } from "../../numbers/dtype.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { PerAxis } from "../affine/granularity.ts";
import { AffineQuantizedMinMaxObserver } from "../observers/min_max_observer.ts";
import { ObservedLinear } from "./observed_linear.ts";

/** The ranges that SmoothQuant needs: one for each feature of what passes. */
function ofFeatures(): AffineQuantizedMinMaxObserver {
  return new AffineQuantizedMinMaxObserver("SYMMETRIC", int8, { granularity: new PerAxis(-1) });
}

/**
 * A float `Linear` that remembers the least and the greatest value of each feature of its inputs, and of each
 * column of its weight. Made by `SmoothQuantConfig`'s first step.
 *
 * @example
 * ```ts
 * import { Linear, randn, SmoothQuantObservedLinear } from "@staticquant/staticquant";
 * const layer = SmoothQuantObservedLinear.of(new Linear(64, 32), 0.5);
 * layer.forward(randn([8, 64]));
 * console.log(layer.alpha); // 0.5
 * ```
 */
export class SmoothQuantObservedLinear extends ObservedLinear {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SmoothQuantObservedLinear";

  /** How much of the difficulty goes from inputs to weights, 0 to 1; null to smooth nothing. */
  alpha: number | null = null;

  /**
   * An observed layer with the weight and bias of a float one, which it shares.
   *
   * @throws {TypeError} if the weight is quantized already.
   */
  static of(float: Linear, alpha: number | null): SmoothQuantObservedLinear {
    const { inFeatures, outFeatures, weight, bias, fullName, displayName } = float;
    if (!(weight instanceof Tensor)) {
      throw new TypeError(
        `SmoothQuantObservedLinear.of: the weight of ${displayName} is quantized already`,
      );
    }
    const observed = new SmoothQuantObservedLinear(
      ...[inFeatures, outFeatures, ofFeatures(), ofFeatures(), { weight, bias }] as const,
    );
    return Object.assign(observed, { fullName, alpha });
  }
}
