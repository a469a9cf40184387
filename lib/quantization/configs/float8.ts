/**
 * Weights, and inputs, of 8-bit floats.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkChoice, checkOptions } from "../../numbers/arguments.ts";
import { type DType, finfo, float32, float8_e4m3fn } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { checkBounds, checkFloat8, chooseScaleOf } from "../affine/float8.ts";
import {
  checkGranularity,
  type Granularity,
  PerGroup,
  PerRow,
  PerTensor,
} from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import type { FloatLinear } from "../layers/float_linear.ts";
import { isObservedLinear } from "../layers/observed_linear.ts";
import { linearWith } from "../layers/weight_linear.ts";
import { toAffineQuantizedFloat8Static } from "../tensors/float8.ts";
import {
  float8InputQuantizer,
  type InputQuantizer,
  staticInputQuantizer,
} from "../tensors/input_quantizer.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { type GranularityPair, granularityPair } from "./granularity_pair.ts";
import { prepared } from "./observe.ts";
import type { ObserverStep } from "./quantization_step.ts";
import { AOBaseConfig, type ObservedAs } from "./quantize.ts";
import { checkGroups, floatLinear } from "./quantize_weight.ts";
import {
  checkStaticScale,
  givenScale,
  observerOf,
  type StaticScaleOptions,
} from "./static_scale.ts";

/** torchao's names of who computes a product. */
const KERNELS = ["auto", "torch", "mslk", "emulated"] as const;

/** Options that configs of float8 inputs share. */
export interface Float8ActivationOptions {
  /** The dtype of inputs, `float8_e4m3fn` (by default) or `float8_e5m2`. */
  activationDtype?: DType;
  /** The dtype of weights, likewise. */
  weightDtype?: DType;
  /** Which kernels torchao would choose. It is taken and heeded by nobody: there is one here. */
  kernelPreference?: "auto" | "torch" | "mslk" | "emulated";
}

/** Options of {@linkcode Float8WeightOnlyConfig}. */
export interface Float8WeightOnlyOptions {
  /** The dtype of weights, `float8_e4m3fn` (by default) or `float8_e5m2`. */
  weightDtype?: DType;
  /** Which elements share a scale: `PerRow` (by default), `PerTensor`, or `PerGroup` of a multiple of 16. */
  granularity?: Granularity;
}

/** Options of {@linkcode Float8DynamicActivationFloat8WeightConfig}. */
export interface Float8DynamicActivationFloat8WeightOptions extends Float8ActivationOptions {
  /**
   * Which elements share a scale, of inputs and weights alike: `PerTensor` (by default) or `PerRow`, or a pair of
   * one of them.
   */
  granularity?: GranularityPair | null;
  /** The least that the largest magnitude of an input counts as; none by default. */
  activationValueLb?: number;
  /** The greatest that it counts as, so that larger values are cut off; none by default. */
  activationValueUb?: number;
}

/** Options of {@linkcode Float8StaticActivationFloat8WeightConfig}. */
export interface Float8StaticActivationFloat8WeightOptions
  extends Float8ActivationOptions, StaticScaleOptions {
  /** Which elements share a scale, of inputs and weights alike: `PerTensor`, and no other. */
  granularity?: Granularity | null;
}

/** The dtypes that are meant. */
function dtypesOf(
  where: string,
  { activationDtype, weightDtype, kernelPreference = "auto" }: Float8ActivationOptions,
): { activationDtype: DType; weightDtype: DType } {
  checkChoice(where, "kernelPreference", kernelPreference, KERNELS);
  const known = { activationDtype, weightDtype };
  const [activation, weight] = Object.entries(known).map(([name, dtype = float8_e4m3fn]) => {
    checkFloat8(where, name, dtype);
    return dtype;
  });
  return { activationDtype: activation, weightDtype: weight };
}

/** The layer's weight as 8-bit floats, in the layout of the kernels. Waits for its range. */
async function float8Weight(
  linear: FloatLinear,
  dtype: DType,
  granularity: Granularity,
  config: AOBaseConfig,
): Promise<AffineQuantizedTensor> {
  const { weight, displayName } = linear;
  checkGroups(linear, granularity, config);
  const block = granularity.blockSize(weight.shape);
  const what = `the weight of ${displayName}`;
  const scale = await chooseScaleOf({ where: "quantize_", what }, weight, block, dtype);
  const quantized = toAffineQuantizedFloat8Static(weight, scale, block, dtype);
  quantized.packedRows({ sums: false });
  return quantized;
}

/** The layer with its weight as 8-bit floats, and its inputs too. */
async function float8Layer(
  linear: FloatLinear,
  input: InputQuantizer,
  config: AOBaseConfig & { readonly weightDtype: DType },
  granularity: Granularity,
): Promise<Module> {
  const weight = await float8Weight(linear, config.weightDtype, granularity, config);
  return linearWith(toLinearActivationQuantized(weight, input), linear.bias);
}

/**
 * Quantizes weights to 8-bit floats with a scale for each row (or group of a row, or for all); activations stay as
 * they are. The layer stays a `Linear`; its product reads the bytes and makes floats of them in registers:
 *
 * `y[m, n] = sw[n]·Σ x[m, k]·qw[n, k] + b[n]`, with `sw = max|w| / 448` for float8_e4m3fn
 *
 * The bytes are those of torchao 0.18.
 *
 * @example
 * ```ts
 * import { Float8WeightOnlyConfig, Linear, quantize_, randn, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Float8WeightOnlyConfig());
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Float8WeightOnlyConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Float8WeightOnlyConfig";

  /** The dtype of weights. */
  readonly weightDtype: DType;
  /** Which elements share a scale. */
  readonly granularity: Granularity;

  /**
   * Takes dtype and granularity.
   *
   * @param options both.
   * @throws {TypeError} if the dtype is no 8-bit float.
   * @throws {RangeError} if the granularity is none of the three, or groups are no multiple of 16.
   */
  constructor(options: Float8WeightOnlyOptions = {}) {
    super();
    const where = new.target.name;
    checkOptions(where, options, ["weightDtype", "granularity"]);
    const { weightDtype = float8_e4m3fn, granularity = new PerRow() } = options;
    checkFloat8(where, "weightDtype", weightDtype);
    checkGranularity(where, granularity);
    if (![PerTensor, PerRow, PerGroup].some((type) => granularity instanceof type)) {
      throw new RangeError(
        `${where}: granularity must be PerTensor, PerRow or PerGroup, got ${granularity}`,
      );
    }
    if (
      granularity instanceof PerGroup &&
      !(granularity.groupSize > 0 && granularity.groupSize % 16 === 0)
    ) {
      throw new RangeError(
        `${where}: groups must be of a multiple of 16, got ${granularity.groupSize}`,
      );
    }
    this.weightDtype = weightDtype;
    this.granularity = granularity;
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const linear = floatLinear(module, this);
    const weight = await float8Weight(linear, this.weightDtype, this.granularity, this);
    return linearWith(weight, linear.bias);
  }
}

/**
 * Quantizes weights to 8-bit floats, and inputs at run time, each with one scale or one a row. No calibration is
 * needed. With float8_e4m3fn, whose largest number is 448:
 *
 * `y[m, n] = sx·sw·Σ qx[m, k]·qw[n, k] + b[n]`, with `sx = max|x| / 448` and `sw = max|w| / 448`
 *
 * WebGPU has no arithmetic of 8-bit floats: numbers are rounded to them, weights stay bytes on the device, and
 * products are those of float32, which hold them exactly. The layer stays a `Linear`. The bytes are those of
 * torchao 0.18, which needs a GPU that multiplies them, sizes that 16 divides, and bfloat16 for `PerRow`; here any
 * layer is taken.
 *
 * @example
 * ```ts
 * import {
 *   Float8DynamicActivationFloat8WeightConfig, Linear, PerRow, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Float8DynamicActivationFloat8WeightConfig({ granularity: new PerRow() }));
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Float8DynamicActivationFloat8WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Float8DynamicActivationFloat8WeightConfig";

  /** The dtype of inputs. */
  readonly activationDtype: DType;
  /** The dtype of weights. */
  readonly weightDtype: DType;
  /** Which elements share a scale, of inputs and of weights. */
  readonly granularity: readonly [activation: Granularity, weight: Granularity];
  /** The least that the largest magnitude of an input counts as. */
  readonly activationValueLb: number | undefined;
  /** The greatest that it counts as. */
  readonly activationValueUb: number | undefined;

  /**
   * Takes dtypes, granularity and bounds.
   *
   * @param options all of them.
   * @throws {TypeError} if a dtype is no 8-bit float, or the kernel preference no name that torchao has.
   * @throws {RangeError} if the granularities are not both `PerTensor` or both `PerRow`, or a bound is not above 0.
   */
  constructor(options: Float8DynamicActivationFloat8WeightOptions = {}) {
    super();
    const where = new.target.name;
    checkOptions(where, options, [
      ...["activationDtype", "weightDtype", "granularity", "kernelPreference"],
      ...["activationValueLb", "activationValueUb"],
    ]);
    const { activationDtype, weightDtype } = dtypesOf(where, options);
    this.activationDtype = activationDtype;
    this.weightDtype = weightDtype;
    this.granularity = granularityPair(where, options.granularity, new PerTensor());
    const [activation, weight] = this.granularity;
    if (activation instanceof PerTensor !== weight instanceof PerTensor) {
      throw new RangeError(
        `${where}: activations and weights must have granularities of one kind, got ${activation} and ${weight}`,
      );
    }
    const { activationValueLb: valueLb, activationValueUb: valueUb } = options;
    checkBounds(where, { valueLb, valueUb });
    this.activationValueLb = valueLb;
    this.activationValueUb = valueUb;
  }

  /** What `quantize_` puts in a module's place. */
  override replacement(module: Module): Promise<Module> {
    const { activationDtype: dtype, granularity: [activation, weight] } = this;
    const { activationValueLb: valueLb, activationValueUb: valueUb } = this;
    const perRow = !(activation instanceof PerTensor);
    const input = float8InputQuantizer({ dtype, perRow, valueLb, valueUb });
    return float8Layer(floatLinear(module, this), input, this, weight);
  }
}

/**
 * Quantizes weights and inputs to 8-bit floats with one scale each, that of inputs being known beforehand: given, or
 * taken from the observer of an `ObservedLinear`, which the step "prepare" puts in. The product is that of
 * {@linkcode Float8DynamicActivationFloat8WeightConfig}, and the layer stays a `Linear`. Names, defaults, steps and
 * bytes are those of torchao 0.18; its quantization of outputs is not here.
 *
 * @example
 * ```ts
 * import {
 *   Float8StaticActivationFloat8WeightConfig, Linear, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Float8StaticActivationFloat8WeightConfig({ step: "prepare" }));
 * m.forward(randn([16, 64])); // the samples
 * await quantize_(m, new Float8StaticActivationFloat8WeightConfig({ step: "convert" }));
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Float8StaticActivationFloat8WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Float8StaticActivationFloat8WeightConfig";

  /** The scale of the input; undefined to ask the layer's observer. */
  readonly actQuantScale: Tensor | number | undefined;
  /** The dtype of inputs. */
  readonly activationDtype: DType;
  /** The dtype of weights. */
  readonly weightDtype: DType;
  /** Which elements share a scale. */
  readonly granularity: Granularity;
  /** Which step this is; undefined for all at once. */
  override readonly step: ObserverStep | undefined;

  /**
   * Takes the scale of the input, or the step, and dtypes.
   *
   * @param options all of them.
   * @throws {RangeError} if the scale is not one finite number above 0, or the granularity not `PerTensor`.
   * @throws {TypeError} if a dtype is no 8-bit float, the step or the kernel preference none, or a scale stands
   * beside a step.
   */
  constructor(options: Float8StaticActivationFloat8WeightOptions = {}) {
    super();
    const where = new.target.name;
    checkOptions(where, options, [
      ...["step", "actQuantScale", "activationDtype", "weightDtype"],
      ...["granularity", "kernelPreference"],
    ]);
    const { activationDtype, weightDtype } = dtypesOf(where, options);
    const { actQuantScale, step } = checkStaticScale(where, options);
    this.actQuantScale = actQuantScale;
    this.step = step;
    this.activationDtype = activationDtype;
    this.weightDtype = weightDtype;
    this.granularity = options.granularity ?? new PerTensor();
    if (this.granularity instanceof PerTensor) return;
    throw new RangeError(
      `${where}: a scale that is fixed beforehand is one for all inputs, so granularity must be PerTensor, got ` +
        `${this.granularity}`,
    );
  }

  /** Symmetric, in the config's dtypes, where no scale is given. */
  override observedAs(): ObservedAs | undefined {
    if (this.actQuantScale !== undefined) return undefined;
    return {
      mappingType: MappingType.SYMMETRIC,
      activation: this.activationDtype,
      weight: this.weightDtype,
      activationOptions: {
        eps: finfo(float32).eps,
        scaleDtype: float32,
        zeroPointDtype: float32,
      },
    };
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    if (this.step === "convert" && !isObservedLinear(module, "")) return module;
    if (this.step === "prepare") return prepared(module, this, this.observedAs()!);
    const linear = floatLinear(module, this);
    const scale = await inputScale(linear, this);
    const input = staticInputQuantizer(scale, null, this.activationDtype);
    return float8Layer(linear, input, this, this.granularity);
  }
}

/** The scale of a layer's inputs. Waits for it. */
async function inputScale(
  linear: FloatLinear,
  { actQuantScale, activationDtype: dtype, step, constructor: { name } }:
    Float8StaticActivationFloat8WeightConfig,
): Promise<Tensor> {
  const fixed = step === "prepare_for_loading" ? 1 : actQuantScale;
  if (fixed !== undefined) return await givenScale(name, fixed, linear.weight.device);
  const [scale, zeroPoint] = await observerOf(name, linear, { dtype }).calculateQParams();
  zeroPoint?.dispose();
  return scale;
}
