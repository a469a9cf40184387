/**
 * The layers that are written as a whole, and what each becomes: a table, a class an entry.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { Linear } from "../../nn/linear.ts";
import { prototypeOf } from "../../nn/override.ts";
import { layerClasses } from "../../quantization/layers/layer_kinds.ts";
import { ACTIVATION_FORMS } from "./activation_forms.ts";
import { BYTE_FORMS } from "./byte_forms.ts";
import { CONVOLUTION_FORMS } from "./convolution_forms.ts";
import type { Form, FormEntry } from "./form.ts";
import { NORM_FORMS } from "./norm_forms.ts";
import { POOL_FORMS } from "./pool_forms.ts";
import { RECURRENT_FORMS } from "./recurrent_forms.ts";

const FORMS: readonly FormEntry[] = [
  ...ACTIVATION_FORMS,
  ...BYTE_FORMS,
  ...CONVOLUTION_FORMS,
  ...NORM_FORMS,
  ...POOL_FORMS,
  ...RECURRENT_FORMS,
];

/** Whether a module is of a class, or of one derived that computes the same. */
function computesAs(module: Module, type: FormEntry[0]): boolean {
  return module instanceof type &&
    prototypeOf(module).forward === type.prototype.forward;
}

/** What a layer becomes; undefined for what is no layer, and for those of `layers.ts`. */
export function formOf(layer: Module): Form | undefined {
  return FORMS.find(([type]) => computesAs(layer, type))?.[1];
}

/** Whether a layer is `Linear` or quantized: what `layers.ts` writes. */
export function hasWeights(layer: Module): boolean {
  return [Linear, ...layerClasses()].some((type) => computesAs(layer, type));
}

/** Whether a module is written as a whole. */
export function hasForm(module: Module): boolean {
  return hasWeights(module) || formOf(module) !== undefined;
}
