/**
 * Which modules can divide the channels of what layers read.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { DataFlow } from "../analysis/graph.ts";
import { familyOf, isFloatLayer, isObservable } from "../layers/layer_family.ts";
import { outputFirstShape } from "../layers/output_first.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { inputChannels, type Norm } from "./weight_channels.ts";

/** The layers that share a predecessor which can absorb their scale, and those that have none. */
export function groupLayers(targets: readonly FloatLayer[], flow: DataFlow, output: Tensor) {
  const groups = new Map<FloatLayer | Norm, FloatLayer[]>();
  const skipped: { layer: string; reason: string }[] = [];
  for (const target of targets) {
    const found = predecessorOf(target, targets, flow, output);
    if (typeof found === "string") skipped.push({ layer: target.fullName, reason: found });
    else groups.set(found, [...(groups.get(found) ?? []), target]);
  }
  return { groups, skipped };
}

/** The module that can absorb a layer's scale, or why there is none. */
function predecessorOf(
  layer: FloatLayer,
  targets: readonly FloatLayer[],
  flow: DataFlow,
  output: Tensor,
): FloatLayer | Norm | string {
  if (flow.calls(layer) === 0) return "the inputs do not run it";
  const sources = flow.sources(layer);
  const [source] = sources;
  if (sources.size > 1) return "it is run on the outputs of several modules";
  if (source === null) {
    return "its input is the model's own, or is made by a function instead of a module";
  }
  const name = source.displayName;
  if (!isAbsorber(source, inputChannels(layer))) {
    return `${name} before it is neither a Linear or another layer of its kind nor a normalization with ` +
      `a weight for each channel`;
  }
  const readers = flow.readers(source);
  for (const reader of readers) {
    if (!targets.includes(reader as FloatLayer)) {
      return `${name} before it also feeds ${reader.displayName}, which is not smoothed`;
    }
    if (flow.sources(reader).size > 1) {
      return `${name} before it also feeds ${reader.displayName}, which is run on the outputs of ` +
        `several modules`;
    }
  }
  if (flow.writes(source, output)) return `the output of ${name} before it is the model's`;
  return source;
}

function isAbsorber(module: Module, channels: number): module is FloatLayer | Norm {
  if (familyOf(module)) {
    return isObservable(module) && isFloatLayer(module) && outputFirstShape(module)[0] === channels;
  }
  const { weight, bias } = module as unknown as Partial<Norm>;
  const fits = (t: unknown) => t instanceof Tensor && t.ndim === 1 && t.numel === channels;
  return fits(weight) && (bias === undefined || bias === null || fits(bias)) &&
    module.namedChildren().length === 0;
}
