/**
 * Layers without a weight under observation.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { activationQuantizerOf } from "../tensors/activation_quantizer.ts";
import { functionKindOf, type QuantizedFunction } from "./function_kind.ts";
import { showOutput } from "./show_output.ts";
import type { ObservedOutput } from "./weighted_layer.ts";

/**
 * A float layer without a weight, such as `Sigmoid` or `Add`, that shows its output to an observer, and to another
 * its input where the quantized layer needs that.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, MappingType, ObservedFunction, PerTensor, randn, Sigmoid, uint8,
 * } from "@staticquant/staticquant";
 * const observer = () =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * const layer = new ObservedFunction(new Sigmoid(), observer(), observer());
 * layer.forward(randn([2, 8]));
 * console.log(await (await layer.activationPostProcess.calculateQParams())[0].item());
 * ```
 */
export class ObservedFunction extends Module implements ObservedOutput {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ObservedFunction";

  /** The float layer. */
  readonly module: Module;
  /** Sees every input; null where bytes of any scale will do. */
  readonly actObs: AffineQuantizedObserverBase | null;
  /** Sees every output. */
  readonly activationPostProcess: AffineQuantizedObserverBase;
  /** Whether a ReLU alone reads the output, so that what it leaves is observed. */
  reluAfter = false;

  /**
   * A layer under observation.
   *
   * @param module the float layer.
   * @param actObs sees every input; left out of the layers that take bytes of any scale.
   * @param activationPostProcess sees every output.
   * @throws {TypeError} if the layer is of no kind that can be quantized.
   */
  constructor(
    module: Module,
    actObs: AffineQuantizedObserverBase | null,
    activationPostProcess: AffineQuantizedObserverBase,
  ) {
    super();
    const kind = functionKindOf(module);
    if (!kind) {
      throw new TypeError(
        `ObservedFunction: ${module.displayName} is no layer that can be quantized, such as Sigmoid or Add`,
      );
    }
    this.module = module;
    this.actObs = kind.input ? actObs : null;
    this.activationPostProcess = activationPostProcess;
    this.fullName = module.fullName;
  }

  /** The float output; the observers take note on the way. Enqueued. */
  override forward(...inputs: Tensor[]): Tensor {
    const [first] = inputs;
    if (this.actObs && first) this.actObs.forward(first);
    return showOutput(this, this.module.forward(...inputs));
  }

  /** The float layer again. */
  toFloat(): Module {
    return Object.assign(this.module, { fullName: this.fullName });
  }
}

/**
 * The quantized layer of what observing one has led to. Waits for the observers.
 *
 * @throws {TypeError} if an observer was made for another dtype.
 */
export async function quantizeFunction(
  observed: ObservedFunction,
  targetDtype: DType,
): Promise<QuantizedFunction> {
  const { module, actObs, activationPostProcess, reluAfter, displayName: where } = observed;
  const kind = functionKindOf(module)!;
  for (const observer of [actObs, activationPostProcess]) {
    if (!observer || observer.targetDtype === targetDtype) continue;
    throw new TypeError(
      `${where}: ${observer.displayName} was calibrated for ${observer.targetDtype.name}, but the config ` +
        `asks for ${targetDtype.name}; make them the same, such as with the config's targetDtype`,
    );
  }
  const [input, output] = await Promise.all([
    actObs && activationQuantizerOf(where, actObs),
    activationQuantizerOf(where, activationPostProcess, reluAfter),
  ]);
  const table = await kind.tableOf?.(module, { input, output }) ?? null;
  return kind.build(module, { input, output, table });
}
