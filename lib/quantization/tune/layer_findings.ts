/**
 * Why a quantized model loses what it loses.
 *
 * @module
 */
import { decibels } from "../../plot/format.ts";
import { rankLayers } from "../improve/float_layers.ts";
import {
  activationParams,
  type ImprovedModule,
  LayerSwitches,
  plainWeight,
  weightRows,
} from "../improve/improved_module.ts";
import type { ModuleTools } from "../improve/module_tools.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { causeOf, type FindingCause } from "./causes.ts";

/** A layer that costs much, and why. */
export interface LayerFinding {
  /** The layer's full name. */
  readonly layer: string;
  /** What makes most of its noise. */
  readonly cause: FindingCause;
  /** SQNR of the model's output with this layer alone quantized, in dB. */
  readonly sqnr: number;
  /** SQNR of the layer's operand that is to blame, in dB. */
  readonly operand: number;
  /** All that in a sentence. */
  readonly sentence: string;
}

/** Findings at most. */
const MOST = 5;

/** The layers that cost most in a quantized model, and why; the worst first. */
export async function layerFindings(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<LayerFinding[]> {
  using switches = await LayerSwitches.of(state);
  const worst = (await rankLayers(switches, tools)).slice(0, MOST);
  const modules = new Map(state.float.namedModules());
  const seen = new Map<string, ArrayLike<number>>();
  await tools.forCalls(
    state.float,
    worst.map(({ name }) => name),
    tools.all,
    async (name, input) => {
      if (!seen.has(name)) seen.set(name, Float64Array.from(await input.data()));
    },
  );
  const found: LayerFinding[] = [];
  for (const { name, sqnr } of worst) {
    const layer = modules.get(name) as FloatLayer;
    const { scale, zeroPoint, quantMin, quantMax } = activationParams(
      state.ranges.get(name)!,
      state.options,
    );
    const { data: float, columns } = await weightRows(layer);
    const { integers, scales } = state.weights.get(name) ?? await plainWeight(layer);
    const rounded = Float64Array.from(integers, (q, i) => q * scales[Math.floor(i / columns)]);
    const { cause, operand, words } = causeOf("its input", seen.get(name)!, {
      ...{ scale, min: (quantMin - zeroPoint) * scale, max: (quantMax - zeroPoint) * scale },
    }, { float, rounded });
    const sentence = `${name} (${layer.constructor.name}) alone leaves ${
      decibels(sqnr)
    } of the output: ${words}`;
    found.push({ layer: name, cause, sqnr, operand, sentence });
  }
  return found;
}
