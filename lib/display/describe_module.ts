/**
 * What models look like.
 *
 * @module
 */
import type { OptimizedModule } from "../compile/compile.ts";
import { isLinearWeight, type LinearWeight, type Module } from "../nn/module.ts";
import { AffineQuantizedTensor } from "../quantization/tensors/quantized_tensor.ts";
import { LinearActivationQuantizedTensor } from "../quantization/tensors/linear_activation_quantized_tensor.ts";
import { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import { numelOf } from "../numbers/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { DisplayBundle } from "../plot/bundle.ts";
import { observerSettings } from "./describe_observer.ts";
import { formatBytes, formatSizes } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

/** The tree of a model as a table: layers, their kinds, tensors, dtypes and bytes. */
export function displayModule(model: Module, title = model.constructor.name): DisplayBundle {
  const modules = model.namedModules();
  const rows = modules.map(([fullName, module]) => {
    const depth = fullName ? fullName.split(".").length : 0;
    const bytes = moduleBytes(module);
    return {
      layer: "   ".repeat(Math.max(depth - 1, 0)) + (fullName.split(".").at(-1) || "(model)"),
      kind: module.constructor.name,
      ...describe(module),
      bytes: bytes || modules.length === 1 ? formatBytes(bytes) : "",
    };
  });
  const note = `${formatBytes(moduleBytes(model))} in all`;
  const table = new Table(rows, { title, note });
  return { "text/html": table.html, "text/plain": model.toString() };
}

/** A compiled model: the table of the one that it was made from. */
export function displayOptimizedModule(compiled: OptimizedModule): DisplayBundle {
  const { origMod } = compiled;
  return {
    "text/html":
      displayModule(origMod, `OptimizedModule of ${origMod.constructor.name}`)["text/html"],
    "text/plain": String(compiled),
  };
}

/** A module's own tensors, the largest first, and the dtype of that one; an observer's settings. */
function describe(module: Module): { holds: string; dtype: string } {
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
  return { holds: holds.join(", "), dtype: parts.length ? storedDtype(parts[0][1]) : "" };
}

/** Bytes of all tensors of a module and those below it, those that are shared counted once. */
export function moduleBytes(module: Module): number {
  const tensors = new Set(Object.values(module.stateDict()));
  return [...tensors].reduce((sum, t) => sum + t.nbytes, 0);
}

/** The dtype that a parameter is kept in. */
function storedDtype(value: Tensor | LinearWeight): string {
  const weight = value instanceof LinearActivationQuantizedTensor ? value.originalWeight : value;
  return (weight instanceof AffineQuantizedTensor ? weight.targetDtype : weight.dtype).name;
}
