/**
 * What a layer is written as.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Input, Nodes, Parameter } from "./nodes.ts";
import type { Source } from "./source.ts";

/** How a layer was called. */
export interface LayerUse {
  /** Opens messages: the layer. */
  readonly where: string;
  /** What it read. */
  readonly sources: readonly Source[];
  /** What it gave. */
  readonly output: Source;
}

/** Adds the nodes of a layer; gives what it makes, in the output's shape. */
// deno-lint-ignore no-explicit-any -- each form knows its class
export type Form<L extends Module = any> = (
  nodes: Nodes,
  layer: L,
  inputs: readonly Input[],
  use: LayerUse,
) => Input;

/** A class and what its layers become. */
// deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
export type FormEntry = readonly [type: abstract new (...args: any[]) => Module, form: Form];

/** An entry of the table. */
export function entry<L extends Module>(
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
  type: abstract new (...args: any[]) => L,
  form: Form<L>,
): FormEntry {
  return [type, form];
}

/** A layer's tensor, as it is. */
export function parameter(name: string, tensor: Tensor, dims = tensor.shape): Parameter {
  return { kind: "parameter", tensors: [tensor], name, dims };
}

/** A layer's tensor of one number a channel; `fill` in each place where the layer has none. */
export function perChannel(name: string, tensor: Tensor | null, n: number, fill: number): Input {
  if (tensor) return parameter(name, tensor, [n]);
  return { kind: "float", values: new Array<number>(n).fill(fill), dims: [n] };
}

/** An input with N before it if it has none; `rank` is that with it. What is made of it loses N again. */
export function batched(
  nodes: Nodes,
  x: Input,
  { sources: [{ shape }], output }: LayerUse,
  rank: number,
  write: (x: Input, shape: readonly number[]) => Input,
): Input {
  if (shape.length === rank) return write(x, shape);
  const whole = [...new Array<number>(rank - shape.length).fill(1), ...shape];
  return nodes.reshape(write(nodes.reshape(x, whole), whole), output.shape);
}
