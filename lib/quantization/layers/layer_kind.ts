/**
 * What quantized layers say of themselves. Saving, exporting, comparing and showing a model ask here,
 * so that a new kind of layer is one class and one registration.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { prototypeOf } from "../../nn/override.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ActivationQuantizer } from "../tensors/activation_quantizer.ts";
import type { InputQuantizer } from "../tensors/input_quantizer.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";

/** What a quantized layer computes with: `x·Wᵀ + b`, with `x` quantized first unless `input` is null. */
export interface LayerParts {
  /** Output channels first, such as (outFeatures, inFeatures). */
  readonly weight: AffineQuantizedTensor;
  /** How the input is quantized; null where it stays float. */
  readonly input: InputQuantizer | null;
  /** One number an output channel, or null. */
  readonly bias: Tensor | null;
  /** How the output becomes bytes; null, or left out, where it stays float. */
  readonly output?: ActivationQuantizer | null;
  /** The numbers of a static input quantizer, if they are known. */
  readonly actNumbers?: { readonly scale: number; readonly zeroPoint: number };
}

/** A kind of quantized layer. */
export interface LayerKind<L extends Module = Module> {
  /** What a saved model calls it; no two kinds have the same name. */
  readonly name: string;
  /** The class, whose `forward` computes `x·Wᵀ + b`, or a convolution, with the parts. */
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
  readonly type: abstract new (...args: any[]) => L;
  /** How its layers quantize their input; null for not at all. Only `custom` ones are never saved. */
  readonly input: InputQuantizer["kind"] | null;
  /** Whether a static input always has a zero point; false by default. */
  readonly zeroPoint?: boolean;
  /** Whether its inputs may be scaled before they are quantized; false by default. */
  readonly preScale?: boolean;
  /** What the tensors of the weight are called in a saved model, such as `weight`. */
  readonly weightName: string;
  /** The parts of a layer of the class; undefined if it is none of this kind. Takes no memory. */
  parts(layer: L): LayerParts | undefined;
  /**
   * A layer of parts that were saved, in the place of a float one, which knows what is no part, such as
   * the stride of a convolution. Throws a RangeError or a TypeError if they do not fit.
   */
  build(parts: LayerParts, float: Module): L;
}

/** A quantized layer's kind and its parts. */
export interface DescribedLayer extends LayerParts {
  /** The kind. */
  readonly kind: LayerKind;
}

const kinds = new Map<string, LayerKind>();

/**
 * Adds a kind of quantized layer; from then on `saveQuantizedModel`, `loadQuantizedModel_`, `exportOnnx`,
 * `compareModels` and notebooks know its layers.
 *
 * @param kind what is to be known of it.
 * @throws {Error} if another kind has the name.
 *
 * @example
 * ```ts
 * import {
 *   type AffineQuantizedTensor, dynamicInputQuantizer, Module, registerLayerKind, type Tensor,
 *   toAffineQuantizedPerToken,
 * } from "@staticquant/staticquant";
 * class MyLinear extends Module {
 *   constructor(readonly codes: AffineQuantizedTensor, readonly bias: Tensor | null) {
 *     super();
 *   }
 *   override forward(x: Tensor): Tensor {
 *     using q = toAffineQuantizedPerToken(x);
 *     return this.codes.linear(q, this.bias);
 *   }
 * }
 * registerLayerKind({
 *   name: "MyLinear",
 *   type: MyLinear,
 *   input: "dynamic",
 *   weightName: "codes",
 *   parts: ({ codes, bias }) => ({ weight: codes, input: dynamicInputQuantizer(), bias }),
 *   build: ({ weight, bias }) => new MyLinear(weight, bias),
 * });
 * ```
 */
export function registerLayerKind<L extends Module>(kind: LayerKind<L>): void {
  checkKindName("registerLayerKind", kind.name, kind.type);
  kinds.set(kind.name, kind);
}

/** Throws if another class has the name; `where` opens the message. */
export function checkKindName(where: string, name: string, type: unknown): void {
  const known = kinds.get(name);
  if (!known || known.type === type) return;
  throw new Error(
    `${where}: there is a kind called ${name} already, of ${known.type.name}; give another name`,
  );
}

/** The kind of a name, from a file perhaps; undefined if none is registered. */
export function layerKind(name: unknown): LayerKind | undefined {
  return kinds.get(name as string);
}

/** The classes of quantized layers. */
export function layerClasses(): LayerKind["type"][] {
  return [...new Set([...kinds.values()].map(({ type }) => type))];
}

/**
 * A module's kind and parts; undefined if it is no quantized layer, or of a derived class that computes
 * something else.
 */
export function describeLayer(module: Module): DescribedLayer | undefined {
  const { forward } = prototypeOf(module);
  // The youngest first, so that a derived class finds its own before that of its parent.
  for (const kind of [...kinds.values()].reverse()) {
    if (!(module instanceof kind.type) || forward !== kind.type.prototype.forward) continue;
    const parts = kind.parts(module);
    if (parts && (parts.input?.kind ?? null) === kind.input) return { kind, ...parts };
  }
}
