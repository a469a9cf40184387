/**
 * What models look like.
 *
 * @module
 */
import type { OptimizedModule } from "../compile/compile.ts";
import { isLinearWeight, type LinearWeight, type Module } from "../nn/module.ts";
import { bytesOf } from "../quantization/analysis/layers.ts";
import { describeLayer } from "../quantization/layers/layer_kinds.ts";
import { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import { LinearActivationQuantizedTensor } from "../quantization/tensors/linear_activation_quantized_tensor.ts";
import { AffineQuantizedTensor } from "../quantization/tensors/quantized_tensor.ts";
import type { DType } from "../numbers/dtype.ts";
import { numelOf } from "../numbers/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { DisplayBundle } from "../plot/bundle.ts";
import { displayQuantizedLayer, inspectQuantizedLayer } from "./describe_quantized_layer.ts";
import { observerSettings } from "./describe_observer.ts";
import { formatBytes, formatSizes } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

/** A quantized layer, or the tree of a model. */
export function displayModule(module: Module): DisplayBundle | Promise<DisplayBundle> {
  const layer = describeLayer(module);
  return layer ? displayQuantizedLayer(module, layer) : displayTree(module);
}

/** A quantized layer in a line, or PyTorch's tree of a model. */
export function inspectModule(module: Module): string {
  const layer = describeLayer(module);
  return layer ? inspectQuantizedLayer(module, layer) : String(module);
}

/** The tree of a model as a table: layers, their kinds, tensors, dtypes and bytes. */
function displayTree(model: Module, title = model.constructor.name): DisplayBundle {
  const modules = model.namedModules();
  const rows = modules.map(([fullName, module]) => {
    const depth = fullName ? fullName.split(".").length : 0;
    const bytes = bytesOf(module);
    return {
      layer: "   ".repeat(Math.max(depth - 1, 0)) + (fullName.split(".").at(-1) || "(model)"),
      kind: module.constructor.name,
      ...contentsOf(module),
      bytes: bytes || modules.length === 1 ? formatBytes(bytes) : "",
    };
  });
  const note = `${formatBytes(bytesOf(model))} in all`;
  const table = new Table(rows, { title, note });
  return { "text/html": table.html, "text/plain": model.toString() };
}

/** A compiled model: the table of the one that it was made from. */
export function displayOptimizedModule(compiled: OptimizedModule): DisplayBundle {
  const { origMod } = compiled;
  return {
    "text/html":
      displayTree(origMod, `OptimizedModule of ${origMod.constructor.name}`)["text/html"],
    "text/plain": String(compiled),
  };
}

/**
 * A module's own tensors, the largest first, and the dtype of that one or of a quantized weight's integers;
 * an observer's settings.
 */
function contentsOf(module: Module): { holds: string; dtype: string } {
  if (module instanceof AffineQuantizedObserverBase) {
    return { holds: observerSettings(module), dtype: "" };
  }
  const parts = Object.entries(module).filter((entry): entry is [string, Tensor | LinearWeight] =>
    entry[1] instanceof Tensor || isLinearWeight(entry[1])
  );
  const sizes = ([, { shape }]: [string, Tensor | LinearWeight]) => numelOf(shape);
  parts.sort((a, b) => sizes(b) - sizes(a));
  const holds = parts.map(([name, { shape }]) =>
    numelOf(shape) === 1 ? name : `${name} ${formatSizes(shape)}`
  );
  const known = describeLayer(module)?.weight.targetDtype;
  const dtype = known ?? (parts.length ? storedDtype(parts[0][1]) : undefined);
  return { holds: holds.join(", "), dtype: dtype?.name ?? "" };
}

/** The dtype that the numbers of a tensor, or of a weight in a layer of no known kind, are kept in. */
function storedDtype(value: Tensor | LinearWeight): DType {
  const weight = value instanceof LinearActivationQuantizedTensor ? value.originalWeight : value;
  return weight instanceof AffineQuantizedTensor ? weight.targetDtype : weight.dtype;
}
