/**
 * What batch and instance normalization have in common: a mean, a variance, a factor and a summand a channel.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { int32 } from "../numbers/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { zeros } from "../tensor/tensor.ts";
import { all } from "./initial.ts";
import {
  checkBoolean,
  checkFloatDType,
  checkNumber,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python, pythonFloat } from "./python_text.ts";

/** Options of batch and instance normalization. */
export interface ChannelNormOptions extends LayerOptions {
  /** What is added to the variance; 1e-5 by default. */
  eps?: number;
  /** How fast training moves the statistics; only printed here. 0.1 by default. */
  momentum?: number | null;
  /** Whether there are a factor and a summand a channel. */
  affine?: boolean;
  /** Whether there are statistics of what the layer was trained on. */
  trackRunningStats?: boolean;
}

/** A factor, a summand and, where they are kept, statistics, one number each a channel. */
export abstract class ChannelNorm extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ChannelNorm";

  /** How many channels there are. */
  readonly numFeatures: number;
  /** What is added to the variance. */
  readonly eps: number;
  /** How fast training moves the statistics. */
  readonly momentum: number | null;
  /** Factors, (numFeatures,), or null. */
  weight: Tensor | null;
  /** Summands, (numFeatures,), or null. */
  bias: Tensor | null;
  /** Means of what the layer was trained on, (numFeatures,), or null. */
  running_mean: Tensor | null;
  /** Their variances, or null. */
  running_var: Tensor | null;
  /** How many batches these were; int32, with no dimension. Only saved again. */
  num_batches_tracked: Tensor | null;

  /** Factors 1, summands 0, means 0, variances 1. */
  protected constructor(
    numFeatures: number,
    options: ChannelNormOptions,
    defaults: { affine: boolean; trackRunningStats: boolean },
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "eps",
      "momentum",
      "affine",
      "trackRunningStats",
      ...LAYER_OPTIONS,
    ]);
    checkFloatDType(where, options);
    const { eps = 1e-5, momentum = 0.1 } = options;
    this.numFeatures = checkSize(where, "numFeatures", numFeatures);
    this.eps = checkNumber(where, "eps", eps);
    this.momentum = momentum === null ? null : checkNumber(where, "momentum", momentum);
    const affine = checkBoolean(where, "affine", options.affine ?? defaults.affine);
    const tracked = checkBoolean(
      where,
      "trackRunningStats",
      options.trackRunningStats ?? defaults.trackRunningStats,
    );
    const shape = [numFeatures];
    this.weight = affine ? all(1, shape, options) : null;
    this.bias = affine ? all(0, shape, options) : null;
    this.running_mean = tracked ? all(0, shape, options) : null;
    this.running_var = tracked ? all(1, shape, options) : null;
    this.num_batches_tracked = tracked
      ? zeros([], { dtype: int32, device: options.device }).keep()
      : null;
  }

  /** Files of old PyTorch lack the count of batches, as do those that were cleaned of it. */
  protected override get optionalState(): readonly string[] {
    return ["num_batches_tracked"];
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const affine = this.weight !== null;
    return `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${
      pythonFloat(this.momentum)
    }, affine=${python(affine)}, bias=${python(affine)}, track_running_stats=${
      python(this.running_mean !== null)
    }`;
  }
}
