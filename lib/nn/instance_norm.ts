/**
 * What instance normalizations have in common.
 *
 * @module
 */
import { formatShape } from "../numbers/shape.ts";
import { batchNorm, groupNorm } from "../tensor/normalize.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { batched } from "./batched.ts";
import { ChannelNorm, type ChannelNormOptions } from "./channel_norm.ts";

/** Instance normalization; {@linkcode InstanceNorm2d} and its like say of what shapes. */
export abstract class InstanceNorm extends ChannelNorm {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "InstanceNorm";

  /** Nothing but sizes, unless there is more by option. */
  protected constructor(numFeatures: number, options: ChannelNormOptions) {
    super(numFeatures, options, { affine: false, trackRunningStats: false });
  }

  /** Normalizes an input of so many dimensions besides batch and channels. */
  protected normalize(x: Tensor, spatial: number): Tensor {
    const where = this.displayName;
    return batched(where, x, spatial, (x) => {
      if (x.shape[1] !== this.numFeatures) {
        throw new RangeError(
          `${where}: the input must have ${this.numFeatures} channels, got ${formatShape(x.shape)}`,
        );
      }
      const { running_mean: mean, running_var: variance, weight, bias, eps } = this;
      if (mean && variance) return batchNorm(x, mean, variance, weight, bias, eps);
      return groupNorm(x, this.numFeatures, weight, bias, eps);
    });
  }
}
