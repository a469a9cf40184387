/**
 * Activations quantized with a scale that is fixed beforehand, weights of 8 or 4 bits by their own
 * range.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { finfo, float32, int32, int8 } from "../../numbers/dtype.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { INT4_GROUP_SIZES, uint4WeightScheme } from "./int4_weight_only.ts";
import { int8WeightScheme } from "./int8_weight_only.ts";
import { type Granularity, PerRow, PerTensor } from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import type { QParams } from "../affine/primitives.ts";
import { AOBaseConfig, type ObservedAs } from "./quantize.ts";
import {
  checkGroupSize,
  floatLinear,
  quantizeWeight,
  type WeightScheme,
} from "./quantize_weight.ts";
import type { FloatLinear } from "../layers/float_linear.ts";
import { isObservedLinear } from "../layers/observed_linear.ts";
import { QuantizedLinear } from "../layers/quantized_linear.ts";
import { linearWith } from "../layers/weight_linear.ts";
import { staticInputQuantizer } from "../tensors/input_quantizer.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { checkAccumulator, checkIntegerWeight } from "../tensors/quantized_tensor.ts";
import { type GranularityPair, granularityPair } from "./granularity_pair.ts";
import {
  checkInt8Range,
  int8Integers,
  type Int8RangeOptions,
  type Integers,
} from "./int8_range.ts";
import { prepared } from "./observe.ts";
import type { ObserverStep } from "./quantization_step.ts";
import {
  checkStaticScale,
  givenScale,
  givenZeroPoint,
  observerOf,
  type StaticScaleOptions,
} from "./static_scale.ts";

/** Options of {@linkcode Int8StaticActivationInt8WeightConfig}. */
export interface Int8StaticActivationInt8WeightOptions
  extends StaticScaleOptions, Int8RangeOptions {
  /**
   * The scale of the layer's input, above 0: one number, or with rows as the granularity of activations a
   * tensor of one for each row of the inputs to come, which must have as many. By default the one that the
   * observer of an `ObservedLinear` has found.
   */
  actQuantScale?: Tensor | number;
  /** The zero point of the layer's input, as many as scales; for `MappingType.ASYMMETRIC`, 0 by default. */
  actQuantZeroPoint?: Tensor | number;
  /**
   * Which elements share a scale, `PerTensor` or `PerRow`: one for both, or a pair of activations' and
   * weights'; `PerRow` by default. What observers find is always one scale for all rows of the inputs, which
   * may then be of any number.
   */
  granularity?: GranularityPair | null;
}

/** Options of {@linkcode Int8StaticActivationInt4WeightConfig}. */
export interface Int8StaticActivationInt4WeightOptions extends StaticScaleOptions {
  /**
   * Neighbours in a row of the weight that share a scale and a zero point: 32, 64, 128 (the default)
   * or 256.
   */
  groupSize?: number;
}

/** The observers that find the scale of an input. */
function observedAs(mappingType: MappingType, integers: Integers): ObservedAs {
  const { eps } = finfo(float32);
  const activationOptions = { ...integers, eps, scaleDtype: float32, zeroPointDtype: int8 };
  return { mappingType, activation: int8, weight: int8, activationOptions };
}

/**
 * Quantizes weights to int8, symmetric, with a scale for each row, and activations to int8 with one scale
 * that is known beforehand: given, or taken from the observer of an `ObservedLinear`, which the step "prepare"
 * puts in. Each layer becomes a `QuantizedLinear`:
 *
 * `y[m, n] = sx·sw[n]·Σ (qx[m, k] − zx)·qw[n, k] + b[n]`, with `sw = max(max|w| / 127.5, eps)`
 *
 * The weight is quantized by its own range, whatever its observer saw. Names, defaults and integers are those
 * of torchao 0.18, which has no steps for this config; a layer whose inputs have a scale for each row, which
 * torchao takes too, stays a `Linear` with a quantized weight.
 *
 * @example
 * ```ts
 * import {
 *   Int8StaticActivationInt8WeightConfig, Linear, QuantizationStep, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Int8StaticActivationInt8WeightConfig({ step: QuantizationStep.PREPARE }));
 * m.forward(randn([16, 64])); // the samples
 * await quantize_(m, new Int8StaticActivationInt8WeightConfig({ step: QuantizationStep.CONVERT }));
 * console.log(m.forward(randn([2, 64])).shape, String(m)); // [ 2, 32 ] Sequential( (fc): QuantizedLinear() )
 *
 * const known = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(known, new Int8StaticActivationInt8WeightConfig({ actQuantScale: 4 / 127.5 }));
 * ```
 */
export class Int8StaticActivationInt8WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int8StaticActivationInt8WeightConfig";

  /** The scale of the input; undefined to ask the layer's observer. */
  readonly actQuantScale: Tensor | number | undefined;
  /** The zero point of the input; undefined for 0 where a scale is given. */
  readonly actQuantZeroPoint: Tensor | number | undefined;
  /** Which elements share a scale, of activations and of weights. */
  readonly granularity: readonly [activation: Granularity, weight: Granularity];
  /** How inputs are laid onto integers. */
  readonly actMappingType: MappingType;
  /** Whether inputs and weights use −64…63 alone. */
  readonly reduceRange: boolean;
  /** Which step this is; undefined for all at once. */
  override readonly step: ObserverStep | undefined;

  /**
   * Takes scales and zero points of the input, or the step.
   *
   * @param options scale and zero point, granularity, mapping, range and step.
   * @throws {RangeError} if a scale is not finite and above 0, or a granularity neither `PerTensor` nor `PerRow`.
   * @throws {TypeError} if the mapping or the step is none, a zero point stands beside a symmetric mapping or
   * without a scale, or a scale beside a step.
   */
  constructor(options: Int8StaticActivationInt8WeightOptions = {}) {
    super();
    const where = new.target.name;
    checkOptions(where, options, [
      ...["actQuantScale", "actQuantZeroPoint", "granularity"],
      ...["actMappingType", "reduceRange", "step"],
    ]);
    const { actQuantZeroPoint, granularity } = options;
    const { actMappingType, reduceRange } = checkInt8Range(where, options);
    this.granularity = granularityPair(where, granularity, new PerRow());
    const perRow = !(this.granularity[0] instanceof PerTensor);
    const { actQuantScale, step } = checkStaticScale(where, options, perRow);
    if (actQuantZeroPoint !== undefined && actMappingType === MappingType.SYMMETRIC) {
      throw new TypeError(
        `${where}: actQuantZeroPoint is for actMappingType: MappingType.ASYMMETRIC; leave it out, or give that`,
      );
    }
    if (actQuantZeroPoint !== undefined && actQuantScale === undefined) {
      throw new TypeError(`${where}: actQuantZeroPoint needs the actQuantScale that it belongs to`);
    }
    this.actQuantScale = actQuantScale;
    this.actQuantZeroPoint = actQuantZeroPoint;
    this.actMappingType = actMappingType;
    this.reduceRange = reduceRange;
    this.step = step;
  }

  /** int8 in the config's mapping and range, where no scale is given. */
  override observedAs(): ObservedAs | undefined {
    if (this.actQuantScale !== undefined) return undefined;
    return observedAs(this.actMappingType, int8Integers(this.reduceRange));
  }

  /** What `quantize_` puts in a module's place. */
  override replacement(module: Module): Promise<Module> {
    const { granularity: [, granularity], reduceRange } = this;
    const range = int8Integers(reduceRange);
    return quantizeLayer(module, this, { ...int8WeightScheme(), granularity, range });
  }
}

/**
 * As {@linkcode Int8StaticActivationInt8WeightConfig}, but with weights of uint4, asymmetric, with a
 * scale and a zero point for each group of a row, two elements a byte. The product is one of integers
 * within each group, whose exact sums are scaled and added in float32:
 *
 * `y[m, n] = sx·Σ_g sw[n, g]·Σ qx[m, k]·(qw[n, k] − zw[n, g]) + b[n]`
 *
 * torchao has this pair of dtypes with dynamic activations only, under the corresponding name.
 *
 * @example
 * ```ts
 * import {
 *   Int8StaticActivationInt4WeightConfig, Linear, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(256, 32) });
 * const config = new Int8StaticActivationInt4WeightConfig({ actQuantScale: 4 / 127.5, groupSize: 32 });
 * await quantize_(m, config);
 * console.log(m.forward(randn([2, 256])).shape); // [ 2, 32 ]
 * ```
 */
export class Int8StaticActivationInt4WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int8StaticActivationInt4WeightConfig";

  /** The scale of the input; undefined to ask the layer's observer. */
  readonly actQuantScale: Tensor | number | undefined;
  /** Neighbours in a row of the weight that share a scale and a zero point. */
  readonly groupSize: number;
  /** Which step this is; undefined for all at once. */
  override readonly step: ObserverStep | undefined;

  /**
   * Takes the scale of the input, or the step, and the size of the groups.
   *
   * @param options scale, step and group size.
   * @throws {RangeError} if the scale is not one finite number above 0, or the group size none of 32,
   * 64, 128 and 256.
   * @throws {TypeError} if the step is none, or a scale stands beside it.
   */
  constructor(options: Int8StaticActivationInt4WeightOptions = {}) {
    super();
    checkOptions(new.target.name, options, ["actQuantScale", "groupSize", "step"]);
    const { actQuantScale, step } = checkStaticScale(new.target.name, options);
    this.actQuantScale = actQuantScale;
    this.step = step;
    this.groupSize = options.groupSize ?? 128;
    checkGroupSize(new.target.name, this.groupSize, INT4_GROUP_SIZES);
  }

  /** Symmetric int8, where no scale is given. */
  override observedAs(): ObservedAs | undefined {
    if (this.actQuantScale !== undefined) return undefined;
    return observedAs(MappingType.SYMMETRIC, int8Integers(false));
  }

  /** What `quantize_` puts in a module's place. */
  override replacement(module: Module): Promise<Module> {
    return quantizeLayer(module, this, uint4WeightScheme(this.groupSize));
  }
}

/** Scales, zero points and integers of a layer's inputs. */
interface InputRange extends Integers {
  readonly actScale: Tensor;
  /** Null where the mapping is symmetric. */
  readonly actZeroPoint: Tensor | null;
}

/** What is fixed of a layer's inputs. */
type Inputs =
  & Pick<Int8StaticActivationInt8WeightConfig, "actQuantScale" | "step">
  & Partial<Int8StaticActivationInt8WeightConfig>;

/** What inputs are quantized with. Waits for it. */
async function inputRange(
  where: string,
  linear: FloatLinear,
  { actQuantScale, actQuantZeroPoint = 0, actMappingType, reduceRange = false, step }: Inputs,
): Promise<InputRange> {
  const integers = int8Integers(reduceRange);
  const asymmetric = actMappingType === MappingType.ASYMMETRIC;
  const { device } = linear.weight;
  const fixed = step === "prepare_for_loading" ? 1 : actQuantScale;
  if (fixed !== undefined) {
    const actScale = await givenScale(where, fixed, device);
    const actZeroPoint = asymmetric
      ? await givenZeroPoint(where, actQuantZeroPoint, actScale, integers)
      : null;
    return { ...integers, actScale, actZeroPoint };
  }
  const observer = observerOf(where, linear, { dtype: int8, asymmetric });
  const { quantMin, quantMax } = observer;
  if (reduceRange && (quantMin < integers.quantMin || quantMax > integers.quantMax)) {
    throw new RangeError(
      `quantize_: ${where} has reduceRange, but actObs of ${linear.displayName} is for ${quantMin}…${quantMax}; ` +
        `observe with quantMin ${integers.quantMin} and quantMax ${integers.quantMax}, or let the step ` +
        `"prepare" put observers in`,
    );
  }
  const [actScale, zeroPoint]: QParams<Tensor | null> = await observer.calculateQParams();
  if (!asymmetric) zeroPoint?.dispose();
  return { quantMin, quantMax, actScale, actZeroPoint: asymmetric ? zeroPoint : null };
}

async function quantizeLayer(
  module: Module,
  config: AOBaseConfig & Inputs,
  scheme: WeightScheme,
): Promise<Module> {
  if (config.step === "convert" && !isObservedLinear(module, "")) return module;
  if (config.step === "prepare") return prepared(module, config, config.observedAs!()!);
  const linear = floatLinear(module, config);
  const range = await inputRange(config.constructor.name, linear, config);
  const qweight = await quantizeWeight(linear, scheme, config);
  const { bias, weight: { device } } = linear;
  const { actScale, actZeroPoint, quantMin, quantMax } = range;
  if (actScale.numel > 1) {
    checkIntegerWeight("quantize_", qweight);
    checkAccumulator("quantize_", linear.inFeatures, range, qweight);
    const options = { quantMin, quantMax, perRow: true };
    const input = staticInputQuantizer(actScale, actZeroPoint, int8, options);
    return linearWith(toLinearActivationQuantized(qweight, input), bias);
  }
  return new QuantizedLinear({
    actScale,
    actZeroPoint: actZeroPoint ?? tensor([0], { dtype: int32, device }).keep(),
    actSymmetric: actZeroPoint === null,
    qweight,
    bias,
    targetDtype: int8,
    actQuantMin: quantMin,
    actQuantMax: quantMax,
  });
}
