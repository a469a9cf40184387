/**
 * From what observers saw of a layer to the parts of an integer one.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import { getBlockSize } from "../affine/granularity.ts";
import { finiteRanges, type QParams } from "../affine/primitives.ts";
import {
  type AffineQuantizedTensor,
  toAffineQuantizedIntxStatic,
} from "../tensors/quantized_tensor.ts";
import {
  type ActivationQuantizer,
  activationQuantizerOf,
} from "../tensors/activation_quantizer.ts";
import { outputFirst } from "./output_first.ts";
import type { FloatLayer, ObservedLayer } from "./weighted_layer.ts";

/** What an integer layer with a fixed input range consists of. */
export interface QuantizedLayerParts {
  /** The input's scale, one number. */
  readonly actScale: Tensor;
  /** The input's zero point, one number. */
  readonly actZeroPoint: Tensor;
  /**
   * Output channels first, such as (outFeatures, inFeatures), at most 8 bits, one scale or one
   * an output channel; with at most 4 bits also one for each group of a multiple of 32.
   */
  readonly qweight: AffineQuantizedTensor;
  /** One number an output channel, or null. */
  readonly bias: Tensor | null;
  /** The 8-bit dtype that inputs are quantized to. */
  readonly targetDtype: DType;
  /** Whether the input's zero point is known to be 0, which spares its correction; false by default. */
  readonly actSymmetric?: boolean;
  /** The least and the greatest zero point of the input, if they are known. */
  readonly actZeroPoints?: readonly [least: number, greatest: number];
  /** The least integer for inputs; the dtype's by default. */
  readonly actQuantMin?: number;
  /** The greatest integer for inputs; the dtype's by default. */
  readonly actQuantMax?: number;
  /** The numbers that `actScale` and `actZeroPoint` hold, so that bytes of that scale are known when they come. */
  readonly actNumbers?: { readonly scale: number; readonly zeroPoint: number };
  /** How the output becomes bytes; null, or left out, where it stays float. */
  readonly output?: ActivationQuantizer | null;
}

/** What an observed layer becomes: its weight quantized, its input's range fixed. */
export async function quantizeObserved(
  observed: ObservedLayer,
  targetDtype: DType,
  weightDtype: DType,
): Promise<QuantizedLayerParts> {
  const { actObs, weightObs, bias } = observed;
  const where = observed.displayName;
  for (
    const [name, observer, dtype, option] of [
      ["actObs", actObs, targetDtype, "targetDtype"],
      ["weightObs", weightObs, weightDtype, "weightDtype"],
    ] as const
  ) {
    if (observer.targetDtype === dtype) continue;
    throw new TypeError(
      `${where}: ${name} was calibrated for ${observer.targetDtype.name}, but the config asks for ` +
        `${dtype.name}; make them the same, such as with the config's ${option}`,
    );
  }
  if (!(observed.weight instanceof Tensor)) {
    throw new TypeError(`${where}: the weight is quantized already`);
  }
  for (const { options } of [actObs, weightObs]) {
    if (options.zeroPointDomain !== "FLOAT") continue;
    throw new TypeError(
      `${where}: an integer product has no float zero points; observe with ZeroPointDomain.INT or NONE`,
    );
  }
  using weight = outputFirst(observed as ObservedLayer & FloatLayer);
  const seen = `${where}: the weight that ${weightObs.displayName} sees`;
  if (weight.numel > 0) await finiteRanges(seen, weight, weight.shape);
  const [actScale, actZeroPoint]: QParams<Tensor | null> = await actObs.calculateQParams();
  const [weightScale, weightZeroPoint]: QParams<Tensor | null> = await weightObs.calculateQParams();
  const { activationPostProcess: post, reluAfter } = observed;
  const [actZeroPoints, zeroPoints, scale, output] = await Promise.all([
    extremes(actZeroPoint),
    extremes(weightZeroPoint),
    actScale.numel === 1 ? actScale.item() : undefined,
    post ? activationQuantizerOf(where, post, reluAfter) : null,
  ]);
  const { quantMin, quantMax, granularity } = weightObs;
  const block = getBlockSize(weight.shape, granularity);
  return {
    actScale,
    actZeroPoint: actZeroPoint ?? tensor([0], { device: actScale.device }).keep(),
    actZeroPoints,
    actSymmetric: actZeroPoint === null,
    qweight: toAffineQuantizedIntxStatic(weight, weightScale, weightZeroPoint, block, weightDtype, {
      quantMin,
      quantMax,
      zeroPoints,
    }),
    bias,
    targetDtype,
    actQuantMin: actObs.quantMin,
    actQuantMax: actObs.quantMax,
    actNumbers: scale === undefined ? undefined : { scale, zeroPoint: actZeroPoints[0] },
    output,
  };
}

/** The least and the greatest of zero points; both 0 without any. Waits. */
async function extremes(zeroPoint: Tensor | null): Promise<[least: number, greatest: number]> {
  if (!zeroPoint) return [0, 0];
  const values = [...await zeroPoint.data()];
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}
