/**
 * SmoothQuant as a config: outliers of inputs moved into weights, layer by layer.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import { checkOptions, given } from "../../numbers/arguments.ts";
import type { DType } from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { mul } from "../../tensor/pointwise.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { FloatLinear } from "../layers/float_linear.ts";
import { describeLayer } from "../layers/layer_kinds.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { SmoothQuantObservedLinear } from "../layers/smooth_quant_observed_linear.ts";
import { linearWith } from "../layers/weight_linear.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import type { RangeObserver } from "../observers/range_observer.ts";
import type { InputQuantizer } from "../tensors/input_quantizer.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { observersAs } from "./observe.ts";
import { checkStep, type QuantizationStep } from "./quantization_step.ts";
import { AOBaseConfig, checkConfig, replacementOf } from "./quantize.ts";
import { floatLinear } from "./quantize_weight.ts";

/** Options of {@linkcode SmoothQuantConfig}. */
export interface SmoothQuantOptions {
  /**
   * How the smoothed layers are quantized: a config that quantizes inputs too, dynamic or static, without a step of
   * its own.
   */
  baseConfig: AOBaseConfig;
  /** Which step this is, as `QuantizationStep` or its text. */
  step: QuantizationStep | Uppercase<QuantizationStep>;
  /**
   * How much of the difficulty goes from inputs to weights: 0 none, 1 all, 0.5 by default; null smooths nothing. The
   * step "prepare" decides.
   */
  alpha?: number | null;
}

/**
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438) by steps, as torchao's config of that name: "prepare" puts
 * observers in, the samples are run, and "convert" multiplies each column of a weight by
 *
 * `s[j] = (max|X[j]| + ε)^α / (max|W[:, j]| + ε)^(1 − α)`, with float32's eps for ε
 *
 * before the base config quantizes it, and the layer's inputs by `1 / s` when the model runs. "prepare_for_loading"
 * makes a model that takes the state dict of one that was converted with the same configs.
 *
 * No layer before needs to take up `1 / s`, so any `Linear` can be smoothed, at the cost of a product of each input;
 * where a normalization or a `Linear` comes before, `smooth_` puts it in there for nothing. Of a static base config the
 * scale fits the smoothed inputs; one is found for all of them. The observer keeps minima and maxima of features
 * alone, which give the scale after smoothing too, so one pass over the samples is enough.
 *
 * @example
 * ```ts
 * import {
 *   Int8DynamicActivationInt8WeightConfig, Linear, QuantizationStep, quantize_, randn, Sequential,
 *   SmoothQuantConfig,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * const baseConfig = new Int8DynamicActivationInt8WeightConfig();
 * await quantize_(m, new SmoothQuantConfig({ baseConfig, step: QuantizationStep.PREPARE, alpha: 0.5 }));
 * m.forward(randn([16, 64])); // the samples
 * await quantize_(m, new SmoothQuantConfig({ baseConfig, step: QuantizationStep.CONVERT }));
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class SmoothQuantConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SmoothQuantConfig";

  /** How the smoothed layers are quantized. */
  readonly baseConfig: AOBaseConfig;
  /** Which step this is. */
  override readonly step: QuantizationStep;
  /** How much of the difficulty goes from inputs to weights; null to smooth nothing. */
  readonly alpha: number | null;

  /**
   * Takes the base config, the step and alpha.
   *
   * @param options all of them.
   * @throws {TypeError} if the base config is none, one for several modules, or one with a step; or the step is none.
   * @throws {RangeError} if alpha is outside of [0, 1].
   */
  constructor(options: SmoothQuantOptions) {
    super();
    const where = new.target.name;
    checkOptions(where, options ?? null, ["baseConfig", "step", "alpha"]);
    const { baseConfig, step, alpha = 0.5 } = options;
    checkConfig(where, baseConfig);
    if (baseConfig.configsFor || baseConfig.step) {
      throw new TypeError(
        `${where}: baseConfig must be for one module and without a step of its own, got ` +
          `${given(baseConfig)}${baseConfig.step ? ` with the step "${baseConfig.step}"` : ""}`,
      );
    }
    if (alpha !== null && !(alpha >= 0 && alpha <= 1)) {
      throw new RangeError(
        `${where}: alpha is ${given(alpha)}; give a number from 0 to 1, such as 0.5, or null`,
      );
    }
    this.baseConfig = baseConfig;
    this.step = checkStep(where, step);
    this.alpha = alpha;
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    switch (this.step) {
      case "prepare":
        return SmoothQuantObservedLinear.of(floatLinear(module, this), this.alpha);
      case "convert": {
        if (!(module instanceof SmoothQuantObservedLinear)) return module;
        return await smoothed(module.toFloat() as FloatLinear, this, await factorsOf(module));
      }
      case "prepare_for_loading": {
        const linear = floatLinear(module, this);
        const ones = new Float64Array(linear.inFeatures).fill(1);
        const factors = {
          smoothing: this.alpha === null ? null : ones,
          min: ones.map((x) => -x),
          max: ones,
        };
        return await smoothed(linear, this, factors);
      }
      default:
        return module;
    }
  }
}

/** What a layer's observers led to, a number for each feature. */
interface Factors {
  /** What columns of the weight are multiplied by; null for nothing. */
  readonly smoothing: ArrayLike<number> | null;
  /** The least and the greatest of the smoothed inputs. */
  readonly min: ArrayLike<number>;
  readonly max: ArrayLike<number>;
}

/** The least and the greatest value of each feature that an observer has seen. Waits. */
async function seenBy(
  observer: AffineQuantizedObserverBase,
): Promise<{ min: ArrayLike<number>; max: ArrayLike<number>; largest: number[] }> {
  const ends = await (observer as RangeObserver).minMax();
  const [min, max] = await Promise.all(ends.map((t) => t.data()));
  ends.forEach((t) => t.dispose());
  const largest = Array.from(min, (low, j) => Math.max(Math.abs(low), Math.abs(max[j])));
  return { min, max, largest };
}

/** Float32's eps, which keeps channels without any signal from dividing by zero. */
const EPS = 2 ** -23;

/** How a layer is smoothed, every step rounded in the dtype of its weight as torchao does. Waits. */
async function factorsOf(layer: SmoothQuantObservedLinear): Promise<Factors> {
  const { alpha, weight: { dtype } } = layer;
  const x = await seenBy(layer.actObs);
  if (alpha === null) return { smoothing: null, min: x.min, max: x.max };
  const w = await seenBy(layer.weightObs);
  const power = (value: number, exponent: number) =>
    roundTo(dtype, roundTo(dtype, value + EPS) ** exponent);
  const smoothing = x.largest.map((value, j) =>
    roundTo(dtype, power(value, alpha) / power(w.largest[j], 1 - alpha))
  );
  const divided = (values: ArrayLike<number>) =>
    Array.from(values, (value, j) => roundTo(dtype, value / smoothing[j]));
  return { smoothing, min: divided(x.min), max: divided(x.max) };
}

/** The layer that the base config makes of a smoothed one. Waits. */
async function smoothed(
  linear: FloatLinear,
  config: SmoothQuantConfig,
  { smoothing, min, max }: Factors,
): Promise<Linear> {
  const { inFeatures, outFeatures, weight, bias, fullName } = linear;
  const { dtype, device } = weight;
  const factors = smoothing && tensor(smoothing, { dtype, device });
  const own = factors ? mul(weight, factors) : weight;
  factors?.dispose();
  try {
    const float = new Linear(inFeatures, outFeatures, { weight: own, bias });
    const how = config.baseConfig.observedAs?.();
    let source: Linear = float;
    if (how) {
      const { activation, weight } = observersAs(how);
      using ends = tensor([...Array.from(min), ...Array.from(max)], {
        ...{ shape: [2, inFeatures], dtype, device },
      });
      activation.forward(ends);
      weight.forward(own);
      source = ObservedLinear.fromFloat(float, activation, weight);
    }
    source.fullName = fullName;
    const made = await replacementOf(source, config.baseConfig);
    return withPreScale(made, config.baseConfig, smoothing && inverse(smoothing, dtype, device));
  } finally {
    if (own !== weight) own.dispose();
  }
}

/** What inputs are multiplied by. */
function inverse(
  smoothing: ArrayLike<number>,
  dtype: DType,
  device: Tensor["device"],
): Tensor {
  return tensor(Array.from(smoothing, (s) => roundTo(dtype, 1 / s)), { dtype, device }).keep();
}

/** A quantized layer as a `Linear` that scales its inputs first. */
function withPreScale(made: Module, base: AOBaseConfig, preScale: Tensor | null): Linear {
  const parts = describeLayer(made);
  if (!parts?.input || parts.input.kind === "custom" || parts.weight.shape.length !== 2) {
    throw new TypeError(
      `quantize_: ${base.constructor.name} quantizes no inputs of a Linear by data, so there is nothing to smooth ` +
        `for; give SmoothQuantConfig a base such as Int8DynamicActivationInt8WeightConfig`,
    );
  }
  const { input, weight, bias } = parts;
  const before = preScale ? { preScale } : {};
  // A zero point that is known to be 0 needs none.
  const exact: InputQuantizer = input.kind === "static" && input.symmetric
    ? { ...input, zeroPoint: null, ...before }
    : { ...input, ...before };
  return linearWith(toLinearActivationQuantized(weight, exact), bias);
}
