/**
 * What all observers share.
 *
 * @module
 */
import { Module } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { checkGranularity, type Granularity } from "../affine/granularity.ts";
import { checkMappingType, type MappingType } from "../affine/mapping.ts";
import {
  checkMapping,
  CHOOSE_OPTIONS,
  type ChooseQParamsOptions,
  type QParams,
} from "../affine/primitives.ts";
import { quantRange } from "../affine/range.ts";

/** Options of observers. */
export interface ObserverOptions extends ChooseQParamsOptions {
  /** Which elements share parameters. */
  granularity: Granularity;
}

/** The names of {@linkcode ObserverOptions}. */
export const OBSERVER_OPTIONS: readonly string[] = [...CHOOSE_OPTIONS, "granularity"];

/**
 * The base class of observers: modules that let a tensor pass unchanged, remember what they need of
 * it, and give a scale and a zero point in the end. To write one, extend this class, keep the state
 * in tensor fields (so that copies of the observer have state of their own), update them in
 * {@linkcode AffineQuantizedObserverBase.forward} without waiting for the device, and read them in
 * {@linkcode AffineQuantizedObserverBase.calculateQParams}.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedObserverBase, chooseQParamsAffine, getBlockSize, MappingType, PerTensor, randn,
 *   type QParams, type Tensor, uint8,
 * } from "@staticquant/staticquant";
 * class LastBatchObserver extends AffineQuantizedObserverBase {
 *   last?: Tensor;
 *   override forward(x: Tensor): Tensor {
 *     this.last?.dispose();
 *     this.last = x.clone().keep();
 *     return x;
 *   }
 *   override calculateQParams(): Promise<QParams> {
 *     const block = getBlockSize(this.last!.shape, this.granularity);
 *     return chooseQParamsAffine(this.last!, this.mappingType, block, this.targetDtype, this.options);
 *   }
 * }
 * const observer = new LastBatchObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * observer.forward(randn([4, 4]));
 * const [scale, zeroPoint] = await observer.calculateQParams();
 * console.log(await scale.item(), await zeroPoint.item());
 * ```
 */
export abstract class AffineQuantizedObserverBase extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedObserverBase";

  /**
   * The names of the options that a class takes; those of a class that does not say so are not checked, as a
   * class of yours may pass on options of its own.
   */
  protected static readonly optionNames?: readonly string[];
  /** How a range is laid onto integers. */
  readonly mappingType: MappingType;
  /** The integer dtype to quantize to. */
  readonly targetDtype: DType;
  /** Which elements share parameters. */
  readonly granularity: Granularity;
  /** The least integer to use. */
  readonly quantMin: number;
  /** The greatest integer to use. */
  readonly quantMax: number;
  /** The options as they were given. */
  readonly options: Readonly<ObserverOptions>;

  /**
   * Takes the settings that all observers have.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options granularity, integer range, eps, dtypes and shape of the parameters.
   * @throws {RangeError} if quantMin and quantMax leave the dtype.
   * @throws {TypeError} if the granularity is missing, the dtype not an integer one, or the mapping or an option
   * misspelt.
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: ObserverOptions) {
    super();
    const where = new.target.name;
    checkMappingType(where, mappingType);
    if (Object.hasOwn(new.target, "optionNames")) {
      checkOptions(where, options, new.target.optionNames!);
    }
    if (!options?.granularity) {
      throw new TypeError(`${where}: the options need a granularity, such as new PerTensor()`);
    }
    checkGranularity(where, options.granularity);
    const range = quantRange(where, targetDtype, options.quantMin, options.quantMax);
    checkMapping(where, mappingType, targetDtype, options);
    this.mappingType = mappingType;
    this.targetDtype = targetDtype;
    this.granularity = options.granularity;
    this.quantMin = range.quantMin;
    this.quantMax = range.quantMax;
    this.options = Object.freeze({ ...options });
  }

  /** What was seen is no part of a model's state, which a float model takes too. */
  protected override get inStateDict(): boolean {
    return false;
  }

  /** Takes note of `x` and returns it. Enqueued. */
  abstract override forward(x: Tensor): Tensor;

  /** The scale and the zero point that suit what was seen. Waits for the device. */
  abstract calculateQParams(): Promise<QParams>;
}
