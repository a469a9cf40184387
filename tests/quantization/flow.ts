/** The flow that most tests here share: observe, run, quantize. */
import {
  AffineQuantizedMinMaxObserver,
  type DType,
  insertObservers_,
  isObservedLinear,
  Linear,
  type MappingType,
  type Module,
  type ObserverOptions,
  PerAxis,
  PerTensor,
  quantize_,
  Sequential,
  StaticQuantConfig,
  type Tensor,
} from "../../mod.ts";

/** A min-max observer; `granularity` is PerTensor unless given. */
export function minMax(
  mappingType: MappingType,
  dtype: DType,
  options: Partial<ObserverOptions> = {},
): AffineQuantizedMinMaxObserver {
  return new AffineQuantizedMinMaxObserver(mappingType, dtype, {
    granularity: new PerTensor(),
    ...options,
  });
}

/** What {@linkcode quantized} can be told. */
export interface FlowOptions {
  mappingType?: MappingType;
  act?: Partial<ObserverOptions>;
  weight?: Partial<ObserverOptions>;
  config?: (dtype: DType) => StaticQuantConfig;
}

/** Swaps every `Linear` of a model, having run it on `batches`. */
export async function quantized<M extends Module>(
  model: M,
  dtype: DType,
  batches: readonly Tensor[],
  options: FlowOptions = {},
): Promise<M> {
  const { mappingType = "ASYMMETRIC", act, weight } = options;
  const config = options.config ?? ((targetDtype) => new StaticQuantConfig({ targetDtype }));
  insertObservers_(
    model,
    minMax(mappingType, dtype, act),
    minMax(mappingType, dtype, { granularity: new PerAxis(0), ...weight }),
  );
  for (const batch of batches) model.forward(batch).dispose();
  await quantize_(model, config(dtype), isObservedLinear);
  return model;
}

/** A model of one layer called `fc`. */
export function single(
  inFeatures: number,
  outFeatures: number,
  options: { bias?: boolean; dtype?: DType } = {},
): Sequential {
  return new Sequential({ fc: new Linear(inFeatures, outFeatures, options) });
}
