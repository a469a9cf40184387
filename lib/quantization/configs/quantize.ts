/**
 * The entry point: swap a model's layers for quantized ones, as a config says.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { Linear } from "../../nn/linear.ts";
import { findMatches, isLinear, type Match, type ModuleFilter, swap } from "../../nn/replace.ts";

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
export abstract class AOBaseConfig {
  /**
   * For a config that stands for several: the config of each of the modules with these full names,
   * null to leave one alone. Throws if it has something to say of a module that is not among them.
   */
  configsFor?(fullNames: readonly string[]): (AOBaseConfig | null)[];
}

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

function handlerOf(config: AOBaseConfig): QuantizeModuleHandler {
  const { name } = config.constructor;
  const handler = handlers.get(config.constructor);
  if (handler) return handler;
  throw new Error(
    `quantize_: no handler is registered for ${name}; tell what it does with ` +
      `registerQuantizeModuleHandler(${name}, (module, config) => …)`,
  );
}

/** The filter for configs that name their modules: `Linear` and what is derived from it. */
const isLinearLike: ModuleFilter = (module) => module instanceof Linear;

/**
 * Quantizes a model in place: every module that passes the filter is swapped for what the config's
 * handler makes of it. Either all are swapped or, if one fails, none.
 *
 * @param model the model; for static configs an observed and calibrated one.
 * @param config how to quantize.
 * @param filterFn which modules, by module and full name; every `Linear` by default, and with a
 * config for each module by name (`FqnToConfig`) those of derived classes too, such as `ObservedLinear`.
 * @returns the full names of the swapped modules; a warning is printed if there are none.
 * @throws {Error} if no handler is registered for the config, or a handler fails; the message says for
 * which module.
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
  filterFn: ModuleFilter = config.configsFor ? isLinearLike : isLinear,
): Promise<string[]> {
  if (!config.configsFor) handlerOf(config);
  const candidates = findMatches(model, filterFn, "quantize_");
  const configs = config.configsFor?.(candidates.map(({ fullName }) => fullName)) ??
    candidates.map(() => config);
  const plans = candidates.flatMap((match, i) => {
    const own = configs[i];
    return own ? [{ match, own, handler: handlerOf(own) }] : [];
  });
  const matches = plans.map(({ match }): Match => match);
  const replacements: Module[] = [];
  for (const { match: { module, fullName }, own, handler } of plans) {
    try {
      replacements.push(await handler(module, own));
    } catch (error) {
      // Some errors come from parts that do not know which module they are for.
      if (error instanceof Error && !error.message.includes(fullName)) {
        error.message = `${fullName}: ${error.message}`;
      }
      throw error;
    }
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
