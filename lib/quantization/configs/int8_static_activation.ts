/**
 * Activations quantized with a scale that is fixed beforehand, weights of 8 or 4 bits by their own
 * range.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { float32, int32, int8 } from "../../numbers/dtype.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { INT4_GROUP_SIZES, uint4WeightScheme } from "./int4_weight_only.ts";
import { int8WeightScheme } from "./int8_weight_only.ts";
import { MappingType } from "../affine/mapping.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { AOBaseConfig, type ObservedAs, registerQuantizeModuleHandler } from "./quantize.ts";
import {
  checkGroupSize,
  floatLinear,
  quantizeWeight,
  type WeightScheme,
} from "./quantize_weight.ts";
import type { FloatLinear } from "../layers/float_linear.ts";
import { QuantizedLinear } from "../layers/quantized_linear.ts";

/** Options of {@linkcode Int8StaticActivationInt8WeightConfig}. */
export interface Int8StaticActivationInt8WeightOptions {
  /**
   * The scale of the layer's input, one number above 0; by default the one that the observer of an
   * `ObservedLinear` has found.
   */
  actQuantScale?: Tensor | number;
}

/** Options of {@linkcode Int8StaticActivationInt4WeightConfig}. */
export interface Int8StaticActivationInt4WeightOptions
  extends Int8StaticActivationInt8WeightOptions {
  /**
   * Neighbours in a row of the weight that share a scale and a zero point: 32, 64, 128 (the default)
   * or 256.
   */
  groupSize?: number;
}

/** The observers that find the scale of an input. */
const OBSERVED_AS: ObservedAs = {
  mappingType: MappingType.SYMMETRIC,
  activation: int8,
  weight: int8,
};

function checkScale<S extends Tensor | number | undefined>(where: string, scale: S): S {
  const good = scale instanceof Tensor
    ? scale.numel === 1
    : scale === undefined || ((scale as number) > 0 && (scale as number) < Infinity);
  if (good) return scale;
  const got = scale instanceof Tensor ? `${scale.numel} of them` : scale;
  throw new RangeError(
    `${where}: actQuantScale must be one finite number above 0, got ${got}; layers with scales of ` +
      `their own get configs of their own, with FqnToConfig`,
  );
}

/**
 * Quantizes weights to int8, symmetric, with a scale for each row, and activations to int8, symmetric,
 * with one scale that is known beforehand: given, or taken from the observer of an `ObservedLinear`.
 * Each layer becomes a `QuantizedLinear`:
 *
 * `y[m, n] = sx·sw[n]·Σ qx[m, k]·qw[n, k] + b[n]`, with `sw = max(max|w| / 127.5, eps)`
 *
 * The weight is quantized by its own range, whatever its observer saw.
 *
 * @example
 * ```ts
 * import {
 *   Int8StaticActivationInt8WeightConfig, Linear, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Int8StaticActivationInt8WeightConfig({ actQuantScale: 4 / 127.5 }));
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Int8StaticActivationInt8WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int8StaticActivationInt8WeightConfig";

  /** The scale of the input; undefined to ask the layer's observer. */
  readonly actQuantScale: Tensor | number | undefined;
  /**
   * Takes the scale of the input.
   *
   * @param options the scale.
   * @throws {RangeError} if it is not one finite number above 0.
   */
  constructor(options: Int8StaticActivationInt8WeightOptions = {}) {
    super();
    checkOptions(new.target.name, options, ["actQuantScale"]);
    this.actQuantScale = checkScale(new.target.name, options.actQuantScale);
  }

  /** Symmetric int8, where no scale is given. */
  override observedAs(): ObservedAs | undefined {
    return this.actQuantScale === undefined ? OBSERVED_AS : undefined;
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
  /**
   * Takes the scale of the input and the size of the groups.
   *
   * @param options scale and group size.
   * @throws {RangeError} if the scale is not one finite number above 0, or the group size none of 32,
   * 64, 128 and 256.
   */
  constructor(options: Int8StaticActivationInt4WeightOptions = {}) {
    super();
    checkOptions(new.target.name, options, ["actQuantScale", "groupSize"]);
    this.actQuantScale = checkScale(new.target.name, options.actQuantScale);
    this.groupSize = options.groupSize ?? 128;
    checkGroupSize(new.target.name, this.groupSize, INT4_GROUP_SIZES);
  }

  /** Symmetric int8, where no scale is given. */
  override observedAs(): ObservedAs | undefined {
    return this.actQuantScale === undefined ? OBSERVED_AS : undefined;
  }
}

type StaticConfig = Int8StaticActivationInt8WeightConfig | Int8StaticActivationInt4WeightConfig;

/** The input's scale and integer range. */
async function inputRange(
  linear: FloatLinear,
  config: StaticConfig,
): Promise<{ actScale: Tensor; actQuantMin?: number; actQuantMax?: number }> {
  const name = config.constructor.name;
  const { actQuantScale } = config;
  const { device } = linear.weight;
  if (actQuantScale !== undefined) {
    const scale = actQuantScale instanceof Tensor ? await actQuantScale.item() : actQuantScale;
    const dtype = actQuantScale instanceof Tensor ? actQuantScale.dtype : float32;
    return { actScale: tensor([checkScale(name, scale)], { dtype, device }).keep() };
  }
  if (!(linear instanceof ObservedLinear)) {
    throw new TypeError(
      `quantize_: ${name} has no actQuantScale and ${linear.displayName} no observer to ask; give ` +
        `actQuantScale, or call insertObservers_ and calibrate first`,
    );
  }
  const { mappingType, targetDtype, quantMin, quantMax } = linear.actObs;
  if (targetDtype !== int8 || mappingType === MappingType.ASYMMETRIC) {
    throw new TypeError(
      `quantize_: ${name} takes symmetric int8 inputs, but actObs of ${linear.displayName} is ` +
        `${mappingType} for ${targetDtype.name}; observe with MappingType.SYMMETRIC and int8, or use ` +
        `StaticQuantConfig`,
    );
  }
  const [actScale, zeroPoint] = await linear.actObs.calculateQParams();
  zeroPoint?.dispose();
  return { actScale, actQuantMin: quantMin, actQuantMax: quantMax };
}

async function quantizeLayer(
  module: Module,
  config: StaticConfig,
  scheme: WeightScheme,
): Promise<QuantizedLinear> {
  const linear = floatLinear(module, config);
  const range = await inputRange(linear, config);
  const qweight = await quantizeWeight(linear, scheme, config);
  const { bias, weight: { device } } = linear;
  const actZeroPoint = tensor([0], { dtype: int32, device }).keep();
  return new QuantizedLinear({
    ...range,
    actZeroPoint,
    actSymmetric: true,
    qweight,
    bias,
    targetDtype: int8,
  });
}

registerQuantizeModuleHandler(
  Int8StaticActivationInt8WeightConfig,
  (module, config) => quantizeLayer(module, config, int8WeightScheme()),
);

registerQuantizeModuleHandler(
  Int8StaticActivationInt4WeightConfig,
  (module, config) => quantizeLayer(module, config, uint4WeightScheme(config.groupSize)),
);
