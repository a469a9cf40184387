/**
 * Making layers of nodes.
 *
 * @module
 */
import { type Module, setField } from "../../../nn/module.ts";
import { numelOf } from "../../../numbers/shape.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import type { Layer, LayerNode, LayerParameter } from "../node/operator_rule.ts";

/** A layer that reads the first input and has no parameters. */
export function layerOf(module: Module): Layer {
  return { module, inputs: [0], parameters: [] };
}

/** A layer of one computed input of floats and of a constant number beside it, if a node has these. */
export function layerWithNumber(
  node: LayerNode,
  make: (value: number) => Module,
): Layer | undefined {
  const at = [0, 1].find((i) => node.constantType(i) !== undefined);
  const type = at === undefined ? undefined : node.constantType(at);
  if (at === undefined || !type?.dtype.isFloat || !node.isFloat(1 - at)) return undefined;
  const fits = numelOf(type.shape) === 1 && type.shape.length <= (node.rank(1 - at) ?? 0);
  const value = fits ? node.constantNumbers(at)![0] : NaN;
  return Number.isFinite(value)
    ? { module: make(value), inputs: [1 - at], parameters: [] }
    : undefined;
}

/** A layer of all inputs, if these are floats that are computed: a layer of its own can be observed and quantized. */
export function layerOfAll(node: LayerNode, make: () => Module): Layer | undefined {
  const inputs = node.node.input.map((_, i) => i);
  const computed = inputs.every((i) => !node.constantType(i) && node.isFloat(i));
  return computed ? { module: make(), inputs, parameters: [] } : undefined;
}

/** A layer that reads the first input, with constants of the file in the place of its own parameters. */
export function holding(
  module: Module,
  node: LayerNode,
  parameters: readonly LayerParameter[],
): Layer {
  for (const { field, input, form } of parameters) {
    const own = (module as unknown as Record<string, unknown>)[field];
    if (own instanceof Tensor) own.dispose();
    setField(module, field, node.weight(input, form));
  }
  return { module, inputs: [0], parameters };
}

/** Whether constants are rows of so many floats. */
export function areRows(node: LayerNode, inputs: readonly number[], size: number): boolean {
  return inputs.every((input) => {
    const type = node.constantType(input);
    return type?.dtype.isFloat && type.shape.length === 1 && type.shape[0] === size;
  });
}
