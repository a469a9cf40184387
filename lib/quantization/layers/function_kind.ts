/**
 * Layers without a weight that can be observed and quantized: functions of one number, means, sums, products,
 * tensors put together. What there is to know of a kind stands in one registration.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ActivationQuantizer } from "../tensors/activation_quantizer.ts";

/** What a quantized function computes with. */
export interface FunctionParts {
  /** How the input becomes bytes; null where bytes of any scale are taken. */
  readonly input: ActivationQuantizer | null;
  /** How the output does. */
  readonly output: ActivationQuantizer;
  /** A byte for each byte of the input; null where there is no such table. */
  readonly table: Tensor | null;
}

/** A layer that gives bytes and has no weight. */
export interface QuantizedFunction extends Module {
  /** What it computes with. */
  readonly parts: FunctionParts;
}

/** A kind of quantized layers without a weight. */
export interface FunctionKind<
  F extends Module = Module,
  Q extends QuantizedFunction = QuantizedFunction,
> {
  /** What a saved model calls it; no two kinds have the same name. */
  readonly name: string;
  /** The quantized layers' class. */
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
  readonly type: abstract new (...args: any[]) => Q;
  /** The classes of float layers that become it. */
  // deno-lint-ignore no-explicit-any -- likewise
  readonly floatTypes: readonly (abstract new (...args: any[]) => F)[];
  /** Whether the input has a quantizer of its own. */
  readonly input: boolean;
  /** Whether there is a table. */
  readonly table: boolean;
  /** Whether a layer of these classes can be quantized; all by default. */
  takes?(float: F): boolean;
  /** The table for a float layer, where there is one: on its device, the caller's. */
  tableOf?(float: F, parts: Omit<FunctionParts, "table">): Promise<Tensor>;
  /**
   * The quantized layer in the place of a float one. Throws a RangeError or a TypeError if the parts do not fit.
   */
  build(float: F, parts: FunctionParts): Q;
}

const kinds = new Map<string, FunctionKind>();

/**
 * Adds a kind of layers without a weight; from then on `insertObservers_` with `activationPostProcess`,
 * `StaticQuantConfig`, the analyses, saving and loading know its layers.
 *
 * @param kind what is to be known of it.
 * @throws {Error} if another kind has the name, or one of the classes.
 *
 * @example
 * ```ts
 * import { type FunctionKind, QuantizedTable, registerFunctionKind, Sigmoid } from "@staticquant/staticquant";
 * class Gate extends Sigmoid {}
 * registerFunctionKind({
 *   name: "QuantizedGate",
 *   type: QuantizedTable,
 *   floatTypes: [Gate],
 *   input: true,
 *   table: true,
 *   tableOf: QuantizedTable.tableOf,
 *   build: (float, parts) => new QuantizedTable(parts, String(float)),
 * });
 * ```
 */
export function registerFunctionKind<F extends Module, Q extends QuantizedFunction>(
  kind: FunctionKind<F, Q>,
): void {
  const own = kind as unknown as FunctionKind;
  const known = kinds.get(kind.name) ??
    [...kinds.values()].find(({ floatTypes }) =>
      floatTypes.some((type) => own.floatTypes.includes(type))
    );
  if (known) {
    throw new Error(
      `registerFunctionKind: there is a kind ${known.name} already, which has the name or a class of ` +
        kind.name,
    );
  }
  kinds.set(kind.name, own);
}

/** The kind that a float layer becomes; undefined for other modules, and for classes derived from one of these. */
export function functionKindOf(module: Module | undefined): FunctionKind | undefined {
  if (!module) return undefined;
  return [...kinds.values()].find(({ floatTypes, takes }) =>
    floatTypes.some((type) => module.constructor === type) && (takes?.(module) ?? true)
  );
}

/** The kind of a name, from a file perhaps; undefined if none is registered. */
export function functionKind(name: unknown): FunctionKind | undefined {
  return kinds.get(name as string);
}

/** A quantized layer's kind and its parts. */
export interface DescribedFunction {
  readonly kind: FunctionKind;
  readonly parts: FunctionParts;
}

/** The kind of a quantized layer; undefined for other modules. */
export function describeFunction(module: Module): DescribedFunction | undefined {
  const kind = [...kinds.values()].find(({ type }) => module.constructor === type);
  return kind && { kind, parts: (module as QuantizedFunction).parts };
}
