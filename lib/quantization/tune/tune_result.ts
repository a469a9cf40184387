/**
 * What tuning a model of modules came to.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { LayerFinding } from "./layer_findings.ts";
import type { ModuleRecipe } from "./module_recipe.ts";
import { type TuningParts, TuningResult } from "./tuning_result.ts";

/** A layer that can be quantized, and whether it was. */
export interface TunedLayer {
  /** The layer's full name. */
  readonly layer: string;
  /** Whether it computes with integers. */
  readonly quantized: boolean;
}

/** A model that was made better, what was done for that and why. */
export class TuneResult extends TuningResult<Module, ModuleRecipe, LayerFinding> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TuneResult";

  /** The layers that can be quantized, in the model's order, and whether they were. */
  readonly layers: readonly TunedLayer[];

  /** The result of {@linkcode tune}. */
  constructor(
    parts: TuningParts<Module, ModuleRecipe, LayerFinding> & Pick<TuneResult, "layers">,
  ) {
    super(parts);
    this.layers = parts.layers;
  }
}
