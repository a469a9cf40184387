/**
 * The entry point: swap a model's layers for quantized ones, as a config says.
 *
 * @module
 */
import type { Module } from "../nn/module.ts";
import { findMatches, isLinear, type ModuleFilter, swap } from "./replace.ts";

/**
 * The base class of configs: says how layers are to be quantized. What a config does to a module is
 * told by {@linkcode registerQuantizeModuleHandler}.
 *
 * @example
 * ```ts
 * import { AOBaseConfig } from "@staticquant/staticquant";
 * class MyConfig extends AOBaseConfig {}
 * console.log(new MyConfig() instanceof AOBaseConfig); // true
 * ```
 */
export abstract class AOBaseConfig {}

/** Makes the quantized module that takes a module's place. */
export type QuantizeModuleHandler<C extends AOBaseConfig = AOBaseConfig> = (
  module: Module,
  config: C,
) => Module | Promise<Module>;

/** A class of configs. */
// deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
export type ConfigClass<C extends AOBaseConfig> = abstract new (...args: any[]) => C;

const handlers = new Map<unknown, QuantizeModuleHandler>();

/**
 * Says what `quantize_` does to a module for a class of configs.
 *
 * @param configClass the class; its instances select the handler.
 * @param handler makes the new module from the old one and the config.
 *
 * @example
 * ```ts
 * import { AOBaseConfig, registerQuantizeModuleHandler, ReLU } from "@staticquant/staticquant";
 * class ReplaceByReLU extends AOBaseConfig {}
 * registerQuantizeModuleHandler(ReplaceByReLU, () => new ReLU());
 * ```
 */
export function registerQuantizeModuleHandler<C extends AOBaseConfig>(
  configClass: ConfigClass<C>,
  handler: QuantizeModuleHandler<C>,
): void {
  handlers.set(configClass, handler as QuantizeModuleHandler);
}

/**
 * Quantizes a model in place: every module that passes the filter is swapped for what the config's
 * handler makes of it. Either all are swapped or, if one fails, none.
 *
 * @param model the model; for static configs an observed and calibrated one.
 * @param config how to quantize.
 * @param filterFn which modules, by module and full name; every `Linear` by default.
 * @returns the full names of the swapped modules; a warning is printed if there are none.
 * @throws {Error} if no handler is registered for the config, or a handler fails.
 *
 * @example
 * ```ts
 * import { isObservedLinear, quantize_, Sequential, StaticQuantConfig, uint8 } from "@staticquant/staticquant";
 * const model = new Sequential([]); // see QuantizedLinear for a whole one
 * const swapped = await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
 * console.log(swapped); // []
 * ```
 */
export async function quantize_(
  model: Module,
  config: AOBaseConfig,
  filterFn: ModuleFilter = isLinear,
): Promise<string[]> {
  const handler = handlers.get(config.constructor);
  if (!handler) {
    throw new Error(
      `quantize_: no handler is registered for ${config.constructor.name}; tell what it does with ` +
        `registerQuantizeModuleHandler(${config.constructor.name}, (module, config) => …)`,
    );
  }
  const matches = findMatches(model, filterFn, "quantize_");
  const replacements: Module[] = [];
  for (const { module, fullName } of matches) {
    module.fullName ||= fullName;
    replacements.push(await handler(module, config));
  }
  swap(model, matches, replacements);
  if (matches.length === 0) {
    console.warn(
      `quantize_: no module passed the filter, so ${model.constructor.name} is unchanged; its modules are: ` +
        `${
          model.namedModules().slice(1).map(([name, m]) => `${name} (${m.constructor.name})`).join(
            ", ",
          ) || "none"
        }`,
    );
  }
  return matches.map(({ fullName }) => fullName);
}
