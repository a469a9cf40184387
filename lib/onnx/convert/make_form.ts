/**
 * Making each form of a model.
 *
 * @module
 */
import type { OnnxSamples } from "../calibration/calibrate.ts";
import type { OnnxModel } from "../file/model.ts";
import { quantizeDynamic, type QuantizeDynamicOptions } from "../forms/quantize_dynamic.ts";
import { quantizeWeights, type QuantizeWeightsOptions } from "../forms/quantize_weights.ts";
import { toFloat16, type ToFloat16Options } from "../forms/to_float16.ts";
import { quantizeStatic, type QuantizeStaticOptions } from "../quantize_static.ts";
import type { ConvertDType } from "./dtypes.ts";

/** How the forms are made, by the functions that make them. */
export interface FormSettings {
  /** For `q8`, `int8` and `uint8`. */
  quantizeDynamic?: QuantizeDynamicOptions;
  /** For `q4`, `q4f16` and `bnb4`. */
  quantizeWeights?: QuantizeWeightsOptions;
  /** For `fp16` and `q4f16`. */
  toFloat16?: ToFloat16Options;
  /** For `static`. */
  quantizeStatic?: QuantizeStaticOptions;
}

/** A model in a form. */
export interface MadeForm {
  readonly model: OnnxModel;
  readonly warnings: readonly string[];
}

/** What forms are made from. */
export interface FormSource {
  readonly model: OnnxModel;
  /** Sample inputs, from the start each time. */
  readonly samples: OnnxSamples | undefined;
  /** Inputs that were made up because nobody gave samples. */
  readonly madeUp: OnnxSamples | undefined;
  readonly settings: FormSettings;
  readonly signal?: AbortSignal;
  /** The model with weights of 4 bits, from the form that it is to the other that is made of it, if that is wanted. */
  readonly narrow: { readonly isWanted: boolean; made?: Promise<MadeForm> };
}

/** A form with weights of one type and ranges found while it runs. */
const dynamic = (weightType: "int8" | "uint8") => (source: FormSource) =>
  quantizeDynamic(source.model, {
    weightType,
    ...common(source),
    ...source.settings.quantizeDynamic,
  });

/** A form with weights of 4 bits. */
const weights = (options: QuantizeWeightsOptions) => (source: FormSource) =>
  quantizeWeights(source.model, {
    // Without samples it makes up more.
    ...{ data: source.samples, signal: source.signal },
    ...source.settings.quantizeWeights,
    ...options,
  });

function common({ samples, madeUp, signal }: FormSource) {
  return { data: samples ?? madeUp, signal };
}

/** What makes each form. */
const MAKERS: Readonly<Record<ConvertDType, (source: FormSource) => Promise<MadeForm>>> = {
  fp16: (source) => toFloat16(source.model, { ...common(source), ...source.settings.toFloat16 }),
  q8: dynamic("int8"),
  int8: dynamic("int8"),
  uint8: dynamic("uint8"),
  q4(source) {
    const made = weights({})(source);
    if (source.narrow.isWanted) source.narrow.made = made;
    return made;
  },
  async q4f16(source) {
    const made = await (source.narrow.made ?? weights({})(source));
    source.narrow.made = undefined;
    const halves = await toFloat16(made.model, {
      ...common(source),
      ...source.settings.toFloat16,
    });
    return { model: halves.model, warnings: [...made.warnings, ...halves.warnings] };
  },
  bnb4: weights({ format: "bnb4" }),
  static({ model, samples, settings, signal }) {
    return quantizeStatic(model, samples ?? [], { signal, ...settings.quantizeStatic });
  },
};

/** Makes a form. */
export async function makeForm(dtype: ConvertDType, source: FormSource): Promise<MadeForm> {
  return await MAKERS[dtype](source);
}
