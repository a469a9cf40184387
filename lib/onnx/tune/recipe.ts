/**
 * What was done to a model, so that it can be done again.
 *
 * @module
 */
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import { REMEDY_NAMES } from "../improve/remedies.ts";
import type { RemedyStep } from "../../quantization/improve/remedy.ts";
import type { QuantizeStaticOptions } from "../quantize_static.ts";

/** The options that a recipe has, which JSON can hold. */
export const RECIPE_OPTIONS = [
  ...["activationType", "weightType", "perChannel", "activationSymmetric", "weightSymmetric"],
  ...["reduceRange", "target", "opTypesToQuantize", "nodesToQuantize", "nodesToExclude"],
  ...["calibrationMethod", "percentile", "averagingConstant", "prepare", "tensorOverrides"],
  ...["fillChannels", "cutGates", "dynamicLstms"],
] as const;

/** What {@linkcode tuneOnnx} did; with the same calibration samples it gives the same bytes again. */
export interface TuneRecipe {
  /** The version of the format. */
  readonly version: 1;
  /** SHA-256 of the float model's file. */
  readonly model: string;
  /** How it was quantized. */
  readonly options: QuantizeStaticOptions;
  /** The remedies that were kept, in their order. */
  readonly steps: readonly RemedyStep[];
}

/** SHA-256 of a model's bytes, in hexadecimal digits. */
export async function digestOf(model: OnnxModel): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", model.toBytes());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The options that go into a recipe. */
export function recipeOptions(options: QuantizeStaticOptions): QuantizeStaticOptions {
  const given = options as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    RECIPE_OPTIONS.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]),
  );
}

/**
 * Checks a recipe, such as one from a file.
 *
 * @throws {OnnxError} if it is none, or of another model.
 */
export function checkRecipe(where: string, recipe: unknown, digest: string): TuneRecipe {
  const fail = (what: string) => {
    throw new OnnxError(`${where}: the recipe ${what}`);
  };
  const { version, model, options, steps } = (recipe ?? {}) as Partial<TuneRecipe>;
  if (version !== 1 || typeof model !== "string") fail("is none, or of a newer version");
  if (model !== digest) {
    fail(
      `is of another model, whose file has the SHA-256 ${String(model).slice(0, 16)}…, not ` +
        `${digest.slice(0, 16)}…; tune this one anew`,
    );
  }
  const known = new Set<string>(RECIPE_OPTIONS);
  const own = typeof options === "object" && options !== null && !Array.isArray(options);
  const odd = own ? Object.keys(options).find((name) => !known.has(name)) : "options";
  if (odd !== undefined) fail(`has ${JSON.stringify(odd)}, which is no option of it`);
  if (!Array.isArray(steps)) fail("has no steps");
  for (const step of steps!) {
    if (!REMEDY_NAMES.includes(step?.remedy)) {
      fail(
        `names the remedy ${JSON.stringify(step?.remedy)}; there are ${REMEDY_NAMES.join(", ")}`,
      );
    }
  }
  return recipe as TuneRecipe;
}
