/**
 * The entry point: swap a model's layers for quantized ones, as a config says.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import { given } from "../../numbers/arguments.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { MappingType } from "../affine/mapping.ts";
import { isObservedLinear } from "../layers/observed_linear.ts";
import type { ObserverOptions } from "../observers/observer.ts";
import type { QuantizationStep } from "./quantization_step.ts";
import { tieWeights } from "./tie_weights.ts";
import { findMatches, isLinear, type Match, type ModuleFilter, swap } from "../../nn/replace.ts";

/** What observers a config's layers must have seen their input and weight with. */
export interface ObservedAs {
  /** How ranges are laid onto integers. */
  readonly mappingType: MappingType;
  /** The dtype of the input's observer. */
  readonly activation: DType;
  /** The dtype of the weight's observer. */
  readonly weight: DType;
  /** Options of the input's observer beside its granularity; its defaults without them. */
  readonly activationOptions?: Omit<ObserverOptions, "granularity">;
}

/**
 * The base class of configs: says how layers are to be quantized. What a config does to a module is
 * its method `replacement`, or told by {@linkcode registerQuantizeModuleHandler}.
 *
 * @example
 * ```ts
 * import { AOBaseConfig } from "@staticquant/staticquant";
 * class MyConfig extends AOBaseConfig {}
 * console.log(new MyConfig() instanceof AOBaseConfig); // true
 * ```
 */
export abstract class AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "AOBaseConfig";

  /**
   * For a config that stands for several: the config of each of the modules with these full names,
   * null to leave one alone. Throws if it has something to say of a module that is not among them.
   */
  configsFor?(fullNames: readonly string[]): (AOBaseConfig | null)[];

  /** For a config that takes observed layers: how an analysis is to observe them by default. */
  observedAs?(): ObservedAs | undefined;

  /** Which step of several this config is; undefined for one that quantizes at once. */
  readonly step?: QuantizationStep;

  /** Makes the module that takes another's place; where a handler is registered, that does it. */
  replacement?(module: Module): Module | Promise<Module>;
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
  if (config.replacement) return (module) => config.replacement!(module);
  throw new Error(
    `quantize_: no handler is registered for ${name}; tell what it does with ` +
      `registerQuantizeModuleHandler(${name}, (module, config) => …)`,
  );
}

/** Throws unless `config` is one; `where` opens the message. */
export function checkConfig(where: string, config: unknown): asserts config is AOBaseConfig {
  if (config instanceof AOBaseConfig) return;
  throw new TypeError(
    `${where}: config must say how to quantize, such as new Int8WeightOnlyConfig(), got ${
      given(config)
    }`,
  );
}

/** The module that a handler makes of another; whatever goes wrong names that. */
export async function replacementOf(module: Module, config: AOBaseConfig): Promise<Module> {
  const { fullName } = module;
  try {
    const replacement: unknown = await handlerOf(config)(module, config);
    if (replacement instanceof Module) return replacement;
    throw new TypeError(
      `quantize_: the handler of ${config.constructor.name} gave ${given(replacement)} for ` +
        `${module.displayName}; return the module that takes its place`,
    );
  } catch (error) {
    // Some errors come from parts that do not know which module they are for.
    if (error instanceof Error && !error.message.includes(fullName)) {
      error.message = `${fullName}: ${error.message}`;
    }
    throw error;
  }
}

/** The filter for configs that name their modules: `Linear` and what is derived from it. */
const isLinearLike: ModuleFilter = (module) => module instanceof Linear;

/** Which modules a config means where no filter says it. */
function filterOf({ configsFor, step }: AOBaseConfig): ModuleFilter {
  if (configsFor) return isLinearLike;
  const first = !step || step === "prepare" || step === "prepare_for_loading";
  return first ? isLinear : isObservedLinear;
}

/**
 * Quantizes a model in place: every module that passes the filter is swapped for what the config's
 * handler makes of it. Either all are swapped or, if one fails, none.
 *
 * The model itself has no place where another module could be put. If it is a `Linear` and the config
 * leaves it one, as those of weights and of dynamic inputs do, it takes over the quantized weight;
 * else put it into a `Sequential` first.
 *
 * @param model the model; for static configs an observed and calibrated one.
 * @param config how to quantize.
 * @param filterFn which modules, by module and full name; every `Linear` by default, every `ObservedLinear`
 * for the step that converts, and with a config for each module by name (`FqnToConfig`) both.
 * @returns the full names of the swapped modules, `""` for the model itself; a warning is printed if
 * there are none.
 * @throws {TypeError} if an argument is none of its kind, or a handler gives no module.
 * @throws {Error} if no handler is registered for the config, or a handler fails; the message says for
 * which module. The model is then as it was.
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
  filterFn?: ModuleFilter,
): Promise<string[]> {
  if (!(model instanceof Module)) {
    throw new TypeError(`quantize_: model must be a Module, got ${given(model)}`);
  }
  checkConfig("quantize_", config);
  const filter = filterFn ?? filterOf(config);
  if (typeof filter !== "function") {
    throw new TypeError(
      `quantize_: filterFn must be a function such as isObservedLinear, got ${given(filter)}`,
    );
  }
  if (!config.configsFor) handlerOf(config);
  if (filter(model, "")) return await quantizeRoot(model, config);
  const candidates = findMatches(model, filter, "quantize_");
  const configs = config.configsFor?.(candidates.map(({ fullName }) => fullName)) ??
    candidates.map(() => config);
  const matches: Match[] = [];
  const replacements: Module[] = [];
  const made = new Map<Module, Map<AOBaseConfig, Module>>(); // so that a layer in two places stays one
  for (const [i, match] of candidates.entries()) {
    const { module } = match;
    const own = configs[i];
    if (!own) continue;
    const known = made.get(module) ?? new Map<AOBaseConfig, Module>();
    const replacement = known.get(own) ?? await replacementOf(module, own);
    made.set(module, known.set(own, replacement));
    if (replacement === module) continue; // a step that has nothing to do with it
    matches.push(match);
    replacements.push(replacement);
  }
  await tieWeights(matches.map(({ module }, i) => ({ module, replacement: replacements[i] })));
  swap(model, matches, replacements);
  if (!configs.some((own) => own)) warnOfNone(model);
  return matches.map(({ fullName }) => fullName);
}

/** Quantizes a model that is itself a layer to quantize. */
async function quantizeRoot(model: Module, config: AOBaseConfig): Promise<string[]> {
  const own = config.configsFor ? config.configsFor([""])[0] : config;
  if (!own) return [];
  const replacement = model.constructor === Linear ? await replacementOf(model, own) : undefined;
  if (replacement?.constructor !== Linear) {
    throw new Error(
      `quantize_: the model itself is a module to swap, which cannot be done in place; put it into a ` +
        `Sequential first`,
    );
  }
  const { weight, bias } = replacement as Linear;
  Object.assign(model, { weight, bias });
  return [""];
}

function warnOfNone(model: Module): void {
  const modules = model.namedModules().slice(1);
  const names = modules.map(([name, { constructor }]) => `${name} (${constructor.name})`);
  console.warn(
    `quantize_: no module passed the filter, so ${model.constructor.name} is unchanged; its modules are: ` +
      `${names.join(", ") || "none"}`,
  );
}
