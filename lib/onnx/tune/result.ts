/**
 * What tuning a graph came to.
 *
 * @module
 */
import { type TuningParts, TuningResult } from "../../quantization/tune/tuning_result.ts";
import type { OnnxModel } from "../file/model.ts";
import type { QuantizedNode } from "../quantize_static.ts";
import type { Finding } from "./diagnosis.ts";
import type { TuneRecipe } from "./recipe.ts";

/** A model that was made better, what was done for that and why. */
export class TuneOnnxResult extends TuningResult<OnnxModel, TuneRecipe, Finding> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TuneOnnxResult";

  /** The nodes that can be quantized, and whether they were. */
  readonly nodes: readonly QuantizedNode[];

  /** The result of {@linkcode tuneOnnx}. */
  constructor(
    parts: TuningParts<OnnxModel, TuneRecipe, Finding> & Pick<TuneOnnxResult, "nodes">,
  ) {
    super(parts);
    this.nodes = parts.nodes;
  }
}
