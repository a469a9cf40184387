/**
 * What integer layers with a fixed input range have in common.
 *
 * @module
 */
import { Module } from "../../nn/module.ts";
import { prototypeOf } from "../../nn/override.ts";
import { type DType, float32, promoteTypes } from "../../numbers/dtype.ts";
import { formatShape } from "../../numbers/shape.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import type { QuantizeRowsArgs } from "../../backend/backend.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { quantRange } from "../affine/range.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import {
  type ActivationQuantizer,
  checkActivationQuantizer,
  isQuantizedAs,
} from "../tensors/activation_quantizer.ts";
import type { StaticInputQuantizer } from "../tensors/input_quantizer.ts";
import {
  type AffineQuantizedTensor,
  checkAccumulator,
  float32Param,
} from "../tensors/quantized_tensor.ts";
import { registerLayerFamily } from "./layer_family.ts";
import { checkKindName, type LayerParts, registerLayerKind } from "./layer_kind.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import type { ObservedLayer, WeightedLayer } from "./weighted_layer.ts";

/** Parameters as the kernels take them: float32, and the reciprocal of the input's scale. */
export interface KernelParams {
  /** `1 / xScale`. */
  readonly inverseScale: Tensor;
  /** The input's scale. */
  readonly xScale: Tensor;
  /** The input's zero point. */
  readonly xZeroPoint: Tensor;
  /** The weight's scales. */
  readonly wScale: Tensor;
  /** As many zero points; null where they are 0. */
  readonly wZeroPoint: Tensor | null;
  /** `1 / scale` of the output; null where that stays float. */
  readonly yInverseScale: Tensor | null;
  /** The output's zero point, likewise. */
  readonly yZeroPoint: Tensor | null;
}

/** A layer that quantizes its input with a fixed scale and multiplies bytes. */
export abstract class StaticQuantizedLayer extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "StaticQuantizedLayer";

  /** The input's scale, one number. */
  readonly actScale: Tensor;
  /** The input's zero point, one number. */
  readonly actZeroPoint: Tensor;
  /** The weight. */
  readonly qweight: AffineQuantizedTensor;
  /** One number an output channel, or null. */
  readonly bias: Tensor | null;
  /** The 8-bit dtype that inputs are quantized to. */
  readonly targetDtype: DType;
  /** The integers that inputs are quantized to. */
  readonly actRange: { readonly quantMin: number; readonly quantMax: number };
  /** The numbers that scale and zero point of the input are, if they are known. */
  readonly actNumbers: { readonly scale: number; readonly zeroPoint: number } | undefined;
  /** How the output becomes bytes; null where it stays float. */
  readonly output: ActivationQuantizer | null;
  /** Whether the input's zero point is known to be 0, which spares its correction. */
  protected readonly actSymmetric: boolean;
  /** The parameters as the kernels take them. */
  protected params: KernelParams;

  /**
   * A layer of parts that are already quantized.
   *
   * @param where opens messages.
   * @param parts weight, bias and fixed input range.
   * @param accumulated throws unless the weight fits, and says how many products an int32 sum holds.
   */
  protected constructor(where: string, parts: QuantizedLayerParts, accumulated: () => number) {
    super();
    const { actScale, actZeroPoint, qweight, bias, targetDtype } = parts;
    if (actScale.numel !== 1 || actZeroPoint.numel !== 1) {
      throw new RangeError(
        `${where}: inputs have one scale and one zero point, got shapes ${
          formatShape(actScale.shape)
        } and ${formatShape(actZeroPoint.shape)}; observe activations PerTensor`,
      );
    }
    if (
      ![targetDtype, qweight.targetDtype].every((dtype) => dtype.itemSize === 1 && !dtype.isFloat)
    ) {
      throw new TypeError(
        `${where}: the integer product takes 8-bit numbers, got ${targetDtype.name} inputs and ` +
          `${qweight.targetDtype.name} weights`,
      );
    }
    this.actRange = quantRange(where, targetDtype, parts.actQuantMin, parts.actQuantMax);
    const { actZeroPoints = parts.actSymmetric ? [0, 0] as const : undefined } = parts;
    const acts = { ...this.actRange, zeroPoints: actZeroPoints };
    checkAccumulator(where, accumulated(), acts, qweight);
    checkSameDevice(where, actScale, actZeroPoint, qweight.scale, ...(bias ? [bias] : []));
    if (bias && (bias.ndim !== 1 || bias.shape[0] !== qweight.shape[0])) {
      throw new RangeError(
        `${where}: the bias must have shape (${qweight.shape[0]},), got ${formatShape(bias.shape)}`,
      );
    }
    this.actScale = actScale;
    this.actZeroPoint = actZeroPoint;
    this.qweight = qweight;
    this.bias = bias;
    this.targetDtype = targetDtype;
    this.actSymmetric = parts.actSymmetric ?? false;
    this.actNumbers = parts.actNumbers;
    this.output = parts.output ?? null;
    if (this.output) checkActivationQuantizer(`${where}: the output`, this.output);
    this.params = this.prepare();
  }

  /** How the input is quantized. */
  get inputQuantizer(): StaticInputQuantizer {
    const { actScale: scale, actZeroPoint: zeroPoint, targetDtype, actRange, actSymmetric } = this;
    return { kind: "static", scale, zeroPoint, targetDtype, ...actRange, symmetric: actSymmetric };
  }

  /** The parameters as the kernels take them. */
  private prepare(): KernelParams {
    const { actScale, actZeroPoint, qweight } = this;
    const { backend } = actScale;
    const inverse = backend.reciprocal(actScale.operand);
    const param = (t: Tensor, like: Tensor) => float32Param(t, like).keep();
    const { output } = this;
    const one = (value: number) => tensor([value], { device: backend.device }).keep();
    return {
      yInverseScale: output && one(Math.fround(1 / output.scale)),
      yZeroPoint: output && one(output.zeroPoint),
      inverseScale: new Tensor(backend, inverse, [1], float32).keep(),
      xScale: param(actScale, actScale),
      xZeroPoint: param(actZeroPoint, actScale),
      wScale: param(qweight.scale, qweight.scale),
      wZeroPoint: qweight.zeroPoint && param(qweight.zeroPoint, qweight.scale),
    };
  }

  /**
   * Frees what was derived for the kernels; a deep copy of the layer has the same.
   *
   * @ignore
   */
  freeDerived(): void {
    for (const t of Object.values(this.params)) t?.dispose();
  }

  /** A cast leaves the fixed ranges alone. */
  protected override castFields(): string[] {
    return ["bias"];
  }

  /** Derives the kernels' parameters anew. */
  protected override tensorsChanged(): void {
    this.params = this.prepare();
  }

  /** Whether an input holds the bytes already that it would become. */
  protected takesBytes(x: Tensor): boolean {
    const { actNumbers, actRange, targetDtype } = this;
    return actNumbers !== undefined &&
      isQuantizedAs(x, { ...actNumbers, ...actRange, targetDtype });
  }

  /** The output as floats, before it becomes bytes and loses what a ReLU after it would cut off. Enqueued. */
  floatOutput(x: Tensor): Tensor {
    const plain: this = Object.create(prototypeOf(this));
    return Object.assign(plain, this, { output: null }).forward(x);
  }

  /** PyTorch's words for the bytes that come out, after a comma; nothing where floats do. */
  protected outputRepr(): string {
    const { output } = this;
    return output ? `, scale=${output.scale}, zero_point=${output.zeroPoint}` : "";
  }

  /** How the input is quantized, as backends take it. */
  protected inputArgs({ dtype }: Tensor): QuantizeRowsArgs {
    const { params: { inverseScale, xZeroPoint }, actRange, targetDtype } = this;
    return {
      ...actRange,
      inverseScale: inverseScale.operand.buffer,
      zeroPoint: xZeroPoint.operand.buffer,
      productDtype: promoteTypes(dtype, this.actScale.dtype),
      outputDtype: targetDtype,
    };
  }

  /** How an output of a dtype is quantized, as backends take it; undefined where it stays float. */
  protected outputArgs(dtype: DType): QuantizeRowsArgs | undefined {
    const { params: { yInverseScale, yZeroPoint }, output } = this;
    return output && {
          quantMin: output.quantMin,
          quantMax: output.quantMax,
          inverseScale: yInverseScale!.operand.buffer,
          zeroPoint: yZeroPoint!.operand.buffer,
          productDtype: promoteTypes(dtype, float32),
          outputDtype: output.targetDtype,
        } || undefined;
  }

  /** Whether the input's zero point is taken out, for which the weight's sums are needed. */
  protected get needsSums(): boolean {
    return !this.actSymmetric || this.targetDtype.min === 0;
  }
}

/** A layer in floats, under observation and in integers with a fixed input range. */
export interface StaticLayer<
  F extends WeightedLayer,
  O extends F & ObservedLayer,
  Q extends StaticQuantizedLayer,
> {
  /** The float layers' class. */
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
  readonly floatType: abstract new (...args: any[]) => F;
  /** The observed layers' class, and how one is made of a float layer, whose tensors it shares. */
  // deno-lint-ignore no-explicit-any -- likewise
  readonly observedType: (abstract new (...args: any[]) => O) & {
    fromFloat(
      float: F,
      actObs: AffineQuantizedObserverBase,
      weightObs: AffineQuantizedObserverBase,
    ): O;
  };
  /** The integer layers' class, by whose name a saved model calls it. */
  // deno-lint-ignore no-explicit-any -- likewise
  readonly type: abstract new (...args: any[]) => Q;
  /** The dimension of inputs and outputs that counts their channels, from the end: −1 for the last. */
  readonly channelDim: number;
  /**
   * The integer layer of such parts in the place of another: an observed one, or, when a saved model is loaded, a
   * float or an integer one. Throws a RangeError or a TypeError if they do not fit.
   */
  build(parts: QuantizedLayerParts, place: Module): Q;
}

/**
 * Adds a layer that can be observed and becomes an integer one with a fixed input range: all that has to be told for
 * observing, quantizing, the analyses, saving, loading, exporting and showing.
 *
 * @param layer what is to be known of it.
 * @throws {Error} if the float class, or the name of the integer one, is known already.
 *
 * @example
 * ```ts
 * import { Linear, ObservedLinear, QuantizedLinear, registerStaticLayer } from "@staticquant/staticquant";
 * class Head extends Linear {}
 * class ObservedHead extends ObservedLinear {}
 * class QuantizedHead extends QuantizedLinear {
 *   static override readonly name: string = "QuantizedHead";
 * }
 * registerStaticLayer({
 *   floatType: Head,
 *   observedType: ObservedHead,
 *   type: QuantizedHead,
 *   channelDim: -1,
 *   build: (parts) => new QuantizedHead(parts),
 * });
 * ```
 */
export function registerStaticLayer<
  F extends WeightedLayer,
  O extends F & ObservedLayer,
  Q extends StaticQuantizedLayer,
>({ floatType, observedType, type, channelDim, build }: StaticLayer<F, O, Q>): void {
  const { name } = type;
  checkKindName("registerStaticLayer", name, type);
  registerLayerFamily({
    type: floatType,
    observedType,
    channelDim,
    observe: (float, actObs, weightObs) => observedType.fromFloat(float, actObs, weightObs),
    quantize: (observed, parts) => build(parts, observed),
  });
  registerLayerKind({
    name,
    type,
    input: "static",
    zeroPoint: true,
    weightName: "qweight",
    parts: partsOfLayer,
    build: (parts, place) => build(partsOfSaved(parts), place),
  });
}

/** What a layer consists of, as it is saved. */
function partsOfLayer(
  { qweight: weight, inputQuantizer: input, bias, output, actNumbers }: StaticQuantizedLayer,
): LayerParts {
  return { weight, input, bias, output, actNumbers };
}

/** What a layer that was saved consists of. */
function partsOfSaved(
  { weight: qweight, input, bias, output, actNumbers }: LayerParts,
): QuantizedLayerParts {
  const { scale, zeroPoint, targetDtype, quantMin, quantMax, symmetric } =
    input as StaticInputQuantizer;
  return {
    actScale: scale,
    actZeroPoint: zeroPoint!,
    qweight,
    bias,
    targetDtype,
    actQuantMin: quantMin,
    actQuantMax: quantMax,
    actSymmetric: symmetric,
    actNumbers,
    output,
  };
}
