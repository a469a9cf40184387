/**
 * What parameters start out as: PyTorch's distributions, by the stream of `manualSeed`.
 *
 * @module
 */
import { numelOf } from "../numbers/shape.ts";
import { rand, type Tensor, tensor, type TensorOptions } from "../tensor/tensor.ts";
import type { LayerOptions } from "./layer_arguments.ts";

function options({ dtype, device }: LayerOptions): TensorOptions {
  return { dtype, device };
}

/** Uniform on [−bound, bound). */
export function uniform(shape: readonly number[], bound: number, layer: LayerOptions): Tensor {
  return rand(shape, { ...options(layer), low: -bound, high: bound }).keep();
}

/** The bound of what a layer with so many inputs an output starts from; 0 without inputs. */
export function fanInBound(inputs: number): number {
  return inputs > 0 ? 1 / Math.sqrt(inputs) : 0;
}

/** The bound of Glorot and Bengio's uniform distribution for a matrix (outputs, inputs). */
export function xavierBound([outputs, inputs]: readonly number[]): number {
  return outputs + inputs > 0 ? Math.sqrt(6 / (outputs + inputs)) : 0;
}

/** The same number everywhere. */
export function all(value: number, shape: readonly number[], layer: LayerOptions): Tensor {
  const values = new Float32Array(numelOf(shape)).fill(value);
  return tensor(values, { ...options(layer), shape }).keep();
}
