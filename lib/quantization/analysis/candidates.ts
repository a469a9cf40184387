/**
 * Quantizing single layers of a copy of a model with any config, calibrating where it needs that.
 *
 * @module
 */
import { deepcopy, type Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { insertObservers_ } from "../layers/insert_observers.ts";
import { familyOf, isFloatLayer } from "../layers/layer_family.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { observersAs } from "../configs/observe.ts";
import { type AOBaseConfig, quantize_ } from "../configs/quantize.ts";
import type { Match } from "../../nn/replace.ts";
import type { Batches, Runs } from "./inputs.ts";
import { freeModule, place, tensorsOf } from "./layers.ts";

/** The observers that an analysis puts into a model before a config that needs them. */
export interface AnalysisObservers {
  /** Copied for each layer's input. */
  readonly activation: AffineQuantizedObserverBase;
  /** Copied for each layer's weight. */
  readonly weight: AffineQuantizedObserverBase;
  /**
   * Copied for each layer's output, as `insertObservers_` takes it: layers give bytes then, and those without a
   * weight are tried as well.
   */
  readonly activationPostProcess?: AffineQuantizedObserverBase;
}

/** How each of some layers is to be quantized. */
export interface LayerPlan {
  readonly match: Match;
  /** Null leaves the layer in float. */
  readonly config: AOBaseConfig | null;
  /** What is to be put in and calibrated before. */
  readonly observers: AnalysisObservers | undefined;
}

/** What a config, perhaps one that stands for several, means for each layer. */
export function plansFor(
  matches: readonly Match[],
  config: AOBaseConfig,
  given?: AnalysisObservers,
): LayerPlan[] {
  const configs = config.configsFor?.(matches.map(({ fullName }) => fullName)) ??
    matches.map(() => config);
  for (const each of configs) {
    if (!each?.step) continue;
    throw new TypeError(
      `${each.constructor.name} with the step "${each.step}" quantizes no layer by itself; give it without ` +
        `a step, and observers are put in and calibrated on the inputs`,
    );
  }
  const known = new Map<AOBaseConfig, AnalysisObservers | undefined>();
  return matches.map((match, i) => {
    const config = configs[i];
    if (!config) return { match, config, observers: undefined };
    if (!known.has(config)) known.set(config, observersFor(config, given));
    const observers = known.get(config);
    // A layer without a weight becomes bytes only where outputs do.
    const fits = familyOf(match.module) !== undefined || observers?.activationPostProcess;
    return fits ? { match, config, observers } : { match, config: null, observers: undefined };
  });
}

/**
 * The observers for a config: those given; else, for one that takes observed layers, min-max observers,
 * PerTensor for inputs and PerAxis(0) for weights; else none.
 */
function observersFor(
  config: AOBaseConfig,
  given?: AnalysisObservers,
): AnalysisObservers | undefined {
  const how = given ? undefined : config.observedAs?.();
  return how ? observersAs(how) : given;
}

/** Whether any layer is to be calibrated. */
export function needsCalibration(plans: readonly LayerPlan[]): boolean {
  return plans.some(({ observers }) => observers);
}

/** The observed layers by full name, once they have seen all batches. */
function calibrate(
  model: Module,
  plans: readonly LayerPlan[],
  batches: Batches,
  runs: Runs,
): { layers: Map<string, Module>; tensors: Set<Tensor> } {
  const observed = deepcopy(model);
  const tensors = tensorsOf(observed);
  try {
    const together = Map.groupBy(plans, ({ observers }) => observers);
    const names = new Set<string>();
    for (const [observers, group] of together) {
      if (!observers) continue;
      const own = new Set(group.map(({ match: { fullName } }) => fullName));
      const { activation, weight, activationPostProcess } = observers;
      const options = activationPostProcess ? { activationPostProcess } : {};
      insertObservers_(observed, activation, weight, (_, name) => own.has(name), options);
      own.forEach((name) => names.add(name));
    }
    const layers = new Map(observed.namedModules().filter(([name]) => names.has(name)));
    for (const [name, layer] of layers) {
      for (const [field, child] of layer.namedChildren()) child.fullName = `${name}.${field}`;
    }
    for (const batch of batches.list) {
      runs.run(observed, batch).dispose();
      runs.step("calibrating");
    }
    return { layers, tensors };
  } catch (error) {
    tensors.forEach((t) => t.dispose());
    throw error;
  }
}

/**
 * Each layer quantized, one at a time, as its plan says. The copy of the model that the layers are
 * in is as before when this returns.
 *
 * @param model a copy of the user's model.
 * @param plans the layers, in that copy.
 * @param onRefused takes a layer that the config cannot be used on; without it that is an error.
 */
export async function quantizeEach(
  model: Module,
  plans: readonly LayerPlan[],
  batches: Batches,
  runs: Runs,
  onRefused?: (layer: string, reason: string) => void,
): Promise<Map<string, Module>> {
  const calibrated = needsCalibration(plans) && calibrate(model, plans, batches, runs);
  const quantized = new Map<string, Module>();
  try {
    for (const { match, config } of plans) {
      runs.check();
      const { fullName } = match;
      try {
        const source = calibrated && calibrated.layers.get(fullName) || deepcopy(match.module);
        quantized.set(fullName, config ? await quantizeOne(model, match, source, config) : source);
      } catch (error) {
        if (!(onRefused && error instanceof RangeError)) throw error;
        onRefused(fullName, error.message);
      }
    }
    return quantized;
  } catch (error) {
    for (const module of quantized.values()) freeModule(module);
    throw error;
  } finally {
    if (calibrated) {
      const used = new Set([...quantized.values()].flatMap((module) => [...tensorsOf(module)]));
      for (const t of calibrated.tensors) if (!used.has(t)) t.dispose();
    }
  }
}

async function quantizeOne(
  model: Module,
  match: Match,
  source: Module,
  config: AOBaseConfig,
): Promise<Module> {
  place(match, source);
  source.fullName = match.fullName;
  try {
    await quantize_(model, config, (_, name) => name === match.fullName);
    const layer = new Map(match.parent.namedChildren()).get(match.field)!;
    const unused = layer !== source && isFloatLayer(source) &&
      !tensorsOf(layer).has(source.weight);
    if (unused) source.weight.dispose();
    return layer;
  } finally {
    place(match, match.module);
  }
}

/** A config in a few words: its class and its settings. */
export function describeConfig(config: AOBaseConfig): string {
  const settings = Object.entries(config)
    .filter(([, value]) => ["number", "string", "boolean"].includes(typeof value) || isNamed(value))
    .map(([key, value]) => `${key}=${isNamed(value) ? value.name : value}`);
  return `${config.constructor.name}(${settings.join(", ")})`;
}

function isNamed(value: unknown): value is { name: string } {
  return typeof value === "object" && value !== null && "name" in value;
}
