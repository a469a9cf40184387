/**
 * What is to be known of an operator so that it can be computed here: the form of the tables in `operators/`.
 *
 * @module
 */
import type { Backend } from "../../../backend/backend.ts";
import type { DType } from "../../../numbers/dtype.ts";
import type { Module } from "../../../nn/module.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { NodeProto } from "../../file/proto.ts";
import type { FloatType } from "./element_types.ts";
import { hostNumbers, hostTensor, uploaded } from "./host_values.ts";
import type { AttributeSpecs, NodeAttributes } from "./node_attributes.ts";

/** Thrown while constants are computed ahead, where a result would be larger than is kept for that. */
export class TooLarge extends Error {}

/** What a node reads in one run. */
export class OperatorCall {
  /**
   * @param inputs what the node reads; nothing for inputs that it leaves out.
   * @param attributes the node's.
   * @param outputs how many outputs it has.
   * @param backend where results are made.
   * @param float what float32 of the file is.
   * @param most elements that a result may have.
   */
  constructor(
    readonly inputs: readonly (Tensor | undefined)[],
    readonly attributes: NodeAttributes,
    readonly outputs: number,
    readonly backend: Backend,
    readonly float: FloatType,
    readonly most: number = Infinity,
  ) {}

  /** An input that every node of the operator has. */
  input(i: number): Tensor {
    const found = this.inputs[i];
    if (!found) throw new TypeError(`its input ${i} is missing`);
    return found;
  }

  /** The numbers of an input that is known on the host; nothing if it is left out. */
  numbers(i: number): number[] | undefined {
    const x = this.inputs[i];
    return x && Array.from(hostNumbers(x));
  }

  /** The numbers of an input that every node of the operator has, and that is known on the host. */
  someNumbers(i: number): number[] {
    return Array.from(hostNumbers(this.input(i)));
  }

  /** The only number of an input that is known on the host. */
  number(i: number): number | undefined {
    return this.numbers(i)?.[0];
  }

  /** A tensor of the host where results are made. */
  here(t: Tensor): Tensor {
    return this.backend.device === "cpu" ? t : uploaded(t, this.backend);
  }

  /** A tensor of the host where another one is. */
  onto(x: Tensor, t: Tensor): Tensor {
    return x.device === "cpu" ? t : uploaded(t, x.backend);
  }

  /** 0, 1, … before `count`, where another tensor is. */
  range(x: Tensor, count: number): Tensor {
    return this.onto(x, hostTensor(Array.from({ length: count }, (_, i) => i), [count]));
  }

  /** Refuses a shape that is too large to be computed ahead. */
  checkGrowth(shape: readonly number[]): void {
    if (shape.reduce((product, size) => product * size, 1) > this.most) throw new TooLarge();
  }
}

/** A node whose constants are known, as layers are made of it. */
export interface LayerNode {
  /** The node in the file. */
  readonly node: NodeProto;
  readonly attributes: NodeAttributes;
  /** Where weights go. */
  readonly backend: Backend;
  /** Shape and type of a constant input; nothing for other inputs. */
  constantType(
    input: number,
  ): { readonly shape: readonly number[]; readonly dtype: DType } | undefined;
  /** The numbers of a constant input. */
  constantNumbers(input: number): ArrayLike<number> | undefined;
  /** A constant input on the host. */
  host(input: number): Tensor;
  /** A constant input as a weight on the device, in the form that is asked for; equal ones are shared. */
  weight(input: number, form?: WeightForm): Tensor;
  /** A tensor of the host on the device, in the form that is asked for; the caller's own. */
  onDevice(t: Tensor, form?: WeightForm): Tensor;
  /** How many dimensions an input has, as far as the file and its operators tell. */
  rank(input: number): number | undefined;
  /** Whether an input is of floats, as far as the file and its operators tell. */
  isFloat(input: number): boolean;
  /** What an Add after the node adds as a bias, on the device, if the layer is to do that too. */
  bias(): Tensor | undefined;
}

/** How the constant of a file lies in a layer: as it is, a matrix with rows and columns swapped, or in one row. */
export type WeightForm = "same" | "transposed" | "flat";

/** A layer of `lib/nn` that computes what a node does. */
export interface Layer {
  readonly module: Module;
  /** The inputs of the node that the layer reads, in the order of its `forward`; the others became its own. */
  readonly inputs: readonly number[];
  /** Which of its fields holds which constant of the file, and how. */
  readonly parameters: readonly LayerParameter[];
}

/** A field of a layer, and the input that it came from. */
export interface LayerParameter {
  readonly field: string;
  readonly input: number;
  readonly form: WeightForm;
}

/** An operator, as of operator set 21 for those of ONNX's own domain, to which models are brought first. */
export interface OperatorRule {
  /** How many inputs there are at least and at most. */
  readonly inputs: readonly [least: number, most: number];
  /** How many outputs are computed; 1 if it does not say. */
  readonly outputs?: number;
  /** The attributes that it takes; none if it does not say. */
  readonly attributes?: AttributeSpecs;
  /** Inputs whose numbers must be known on the host: shapes, axes, sizes; a list, or what tells which they are. */
  readonly host?: readonly number[] | ((input: number) => boolean);
  /** Inputs of which only the shape or type is looked at; where there are no others, the result is on the host. */
  readonly unread?: readonly number[];
  /** Whether the result can be larger than all inputs together, so that it is made on the device. */
  readonly grows?: boolean;
  /** Why a node is not computed here: a clause after its name; nothing if it is. */
  readonly refuse?: (node: NodeProto, attributes: NodeAttributes) => string | undefined;
  /** The layer that a node is, if it is one. */
  readonly layer?: (node: LayerNode) => Layer | undefined;
  /** Computes the outputs; enqueued. */
  readonly compute: (call: OperatorCall) => Tensor | readonly Tensor[];
}

/** Whether the numbers of an input must be known on the host. */
export function readsOnHost({ host }: OperatorRule, input: number): boolean {
  return typeof host === "function" ? host(input) : host?.includes(input) ?? false;
}

/** Operators by name; those that are not of ONNX's own domain with it and a colon in front. */
export type OperatorRules = Readonly<Record<string, OperatorRule>>;
