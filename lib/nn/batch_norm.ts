/**
 * What batch normalizations have in common.
 *
 * @module
 */
import { formatShape } from "../numbers/shape.ts";
import { batchNorm, groupNorm } from "../tensor/normalize.ts";
import { permute } from "../tensor/movement.ts";
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { ChannelNorm, type ChannelNormOptions } from "./channel_norm.ts";
import { checkDims } from "./layer_arguments.ts";

/** Batch normalization; {@linkcode BatchNorm2d} and its like say of what shapes. */
export abstract class BatchNorm extends ChannelNorm {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "BatchNorm";

  /** Factors 1, summands 0, means 0, variances 1. */
  protected constructor(numFeatures: number, options: ChannelNormOptions) {
    super(numFeatures, options, { affine: true, trackRunningStats: true });
  }

  /** Normalizes an input that has one of the numbers of dimensions; `sizes` says what they are. */
  protected normalize(x: Tensor, dims: readonly number[], sizes: string): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    checkDims(where, x, dims, sizes);
    if (x.shape[1] !== this.numFeatures) {
      throw new RangeError(
        `${where}: the input must have ${this.numFeatures} channels, got ${formatShape(x.shape)}`,
      );
    }
    const { running_mean: mean, running_var: variance, weight, bias, eps } = this;
    if (mean && variance) return batchNorm(x, mean, variance, weight, bias, eps);
    return this.byBatch(x);
  }

  /** With the mean and variance of the batch itself, for a layer without statistics. */
  private byBatch(x: Tensor): Tensor {
    const order = x.shape.map((_, d) => d === 0 ? 1 : d === 1 ? 0 : d);
    const { weight, bias, eps, numFeatures } = this;
    using channels = permute(x, order);
    using flat = channels.reshape(1, numFeatures, -1);
    using y = groupNorm(flat, numFeatures, weight, bias, eps);
    using shaped = y.reshape(channels.shape);
    return permute(shaped, order);
  }
}
