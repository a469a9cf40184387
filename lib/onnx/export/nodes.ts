/**
 * Nodes of a graph to be, as data: what is written once it is known which sizes stay open.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AttributeValue } from "../file/messages.ts";
import type { Size } from "./size.ts";
import type { Source } from "./source.ts";

/** A parameter of a layer, as a file has it. */
export interface Parameter {
  readonly kind: "parameter";
  /** The tensors that it is made of. */
  readonly tensors: readonly Tensor[];
  /** What it is called, behind the layer's name. */
  readonly name: string;
  readonly dims: readonly number[];
  /** The numbers of the file from those of the tensors; the first one's by default. */
  readonly make?: (...data: Float32Array[]) => Float32Array;
  /** Its element type in the file; float32 by default. */
  readonly type?: "uint8";
}

/** What a node reads: a value or a constant of the run, what another node makes, or numbers. */
export type Input =
  | { readonly kind: "source"; readonly source: Source }
  | { readonly kind: "made"; readonly node: number }
  | {
    /** A constant that each run makes anew, and its sizes. */
    readonly kind: "opened";
    readonly sources: readonly Source[];
    readonly sizes: readonly Size[];
  }
  | Parameter
  | {
    readonly kind: "float";
    readonly values: readonly number[];
    readonly dims: readonly number[];
  }
  | {
    readonly kind: "int";
    readonly values: readonly Size[];
    readonly dims: readonly number[];
  }
  | { readonly kind: "uint8"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "none" };

/** A node that makes one value. */
export interface Node {
  readonly opType: string;
  readonly inputs: readonly Input[];
  readonly attributes: Readonly<Record<string, AttributeValue | number>>;
  /** The layer whose product with a weight it is, which brings more nodes with it. */
  readonly layer?: Module;
}

/** No input where one may be left out. */
export const NONE: Input = { kind: "none" };

/** A number of float32. */
export function float(value: number): Input {
  return { kind: "float", values: [value], dims: [] };
}

/** Numbers of float32 in a row. */
export function floats(values: readonly number[]): Input {
  return { kind: "float", values, dims: [values.length] };
}

/** Integers in a row. */
export function ints(values: readonly number[]): Input {
  return { kind: "int", values, dims: [values.length] };
}

/** Nodes, one after the other. */
export class Nodes {
  /** All that were added. */
  readonly list: Node[] = [];

  /** Adds one. */
  add(
    opType: string,
    inputs: readonly Input[],
    attributes: Node["attributes"] = {},
    layer?: Module,
  ): Input {
    this.list.push({ opType, inputs, attributes, layer });
    return { kind: "made", node: this.list.length - 1 };
  }

  /** The same elements in another shape. */
  reshape(x: Input, shape: readonly number[]): Input {
    const made = x.kind === "made" ? this.list[x.node] : undefined;
    const from = made?.opType === "Reshape" ? made.inputs[0] : x;
    return this.add("Reshape", [from, ints(shape)]);
  }

  /** What makes a result: the nodes that it takes, and where it comes from among these. */
  making(result: Input): { readonly nodes: readonly Node[]; readonly result: Input } {
    const taken = new Set<number>();
    const take = (input: Input) => {
      if (input.kind === "made") taken.add(input.node);
    };
    take(result);
    for (let i = this.list.length - 1; i >= 0; i--) {
      if (taken.has(i)) this.list[i].inputs.forEach(take);
    }
    const kept = [...this.list.keys()].filter((i) => taken.has(i));
    const renamed = (input: Input): Input =>
      input.kind === "made" ? { kind: "made", node: kept.indexOf(input.node) } : input;
    const nodes = kept.map((i) => ({
      ...this.list[i],
      inputs: this.list[i].inputs.map(renamed),
    }));
    return { nodes, result: renamed(result) };
  }

  /** The dimensions in another order. */
  transpose(x: Input, perm: readonly number[]): Input {
    return this.add("Transpose", [x], { perm: { ints: perm } });
  }
}
