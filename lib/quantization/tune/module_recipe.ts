/**
 * What was done to a model of modules, so that it can be done again.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { ImprovedOptions } from "../improve/improved_module.ts";
import { MODULE_REMEDIES } from "../improve/module_remedies.ts";
import { RANGE_METHODS } from "../improve/range_methods.ts";
import type { RemedyStep } from "../improve/remedy.ts";

/** What {@linkcode tune} did; with the same calibration samples it gives the same numbers again. */
export interface ModuleRecipe {
  /** The version of the format. */
  readonly version: 1;
  /** SHA-256 of the float model: its layers, and the bytes of its tensors. */
  readonly model: string;
  /** How it was quantized. */
  readonly options: ImprovedOptions;
  /** The remedies that were kept, in their order. */
  readonly steps: readonly RemedyStep[];
}

async function hexOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of a model's layers and of the bytes of its tensors, in hexadecimal digits. */
export async function digestOfModule(model: Module): Promise<string> {
  const parts = [String(model)];
  for (const [name, t] of Object.entries(model.stateDict())) {
    const bytes = Uint8Array.from(await t.bytes());
    parts.push(`${name} ${t.dtype.name} [${t.shape.join(", ")}] ${await hexOf(bytes)}`);
  }
  return await hexOf(new TextEncoder().encode(parts.join("\n")));
}

/**
 * Checks a recipe, such as one from a file.
 *
 * @throws {Error} if it is none, or of another model.
 */
export function checkModuleRecipe(where: string, recipe: unknown, digest: string): ModuleRecipe {
  const fail = (what: string) => {
    throw new Error(`${where}: the recipe ${what}`);
  };
  const { version, model, options, steps } = (recipe ?? {}) as Partial<ModuleRecipe>;
  if (version !== 1 || typeof model !== "string") fail("is none, or of a newer version");
  if (model !== digest) {
    fail(
      `is of another model, which has the SHA-256 ${String(model).slice(0, 16)}…, not ` +
        `${digest.slice(0, 16)}…; tune this one anew`,
    );
  }
  const { activationType, activationSymmetric, calibrationMethod, layers } =
    (options ?? {}) as Partial<ImprovedOptions>;
  const fits = (activationType === "uint8" || activationType === "int8") &&
    typeof activationSymmetric === "boolean" && RANGE_METHODS.includes(calibrationMethod!) &&
    Array.isArray(layers) && layers.every((name) => typeof name === "string");
  if (!fits) fail("has options that are none");
  if (!Array.isArray(steps)) fail("has no steps");
  const known = MODULE_REMEDIES.map(({ name }) => name);
  for (const step of steps!) {
    if (known.includes(step?.remedy)) continue;
    fail(`names the remedy ${JSON.stringify(step?.remedy)}; there are ${known.join(", ")}`);
  }
  return recipe as ModuleRecipe;
}
