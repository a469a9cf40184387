/**
 * Layers that held one weight hold one quantized weight.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { setField } from "../../nn/module.ts";
import { sameShape } from "../../numbers/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { LinearActivationQuantizedTensor } from "../tensors/linear_activation_quantized_tensor.ts";
import { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";

/** A layer that is swapped, and what for. */
interface Swapped {
  readonly module: Module;
  readonly replacement: Module;
}

/**
 * Where layers shared a float weight and their replacements quantized it alike, makes those share one
 * quantized weight. Nothing is read unless weights are shared. Waits for their parameters.
 */
export async function tieWeights(swapped: readonly Swapped[]): Promise<void> {
  const known = new Map<Tensor, Module[]>();
  for (const { module, replacement } of swapped) {
    const { weight } = module as { weight?: unknown };
    if (!(weight instanceof Tensor)) continue;
    const others = known.get(weight) ?? [];
    known.set(weight, others);
    if (others.includes(replacement)) continue;
    let tied = false;
    for (const other of others) tied ||= await tie(replacement, other);
    if (!tied) others.push(replacement);
  }
}

/** Gives `module` the quantized weight of `other`, if they are equal. */
async function tie(module: Module, other: Module): Promise<boolean> {
  const theirs = new Map(Object.entries(other));
  for (const [field, value] of Object.entries(module)) {
    const shared = theirs.get(field);
    // What inputs are scaled by, a weight is too: those of two layers are only alike by chance.
    if (preScaleOf(value) !== preScaleOf(shared)) continue;
    const [own, first] = [integersOf(value), integersOf(shared)];
    if (!own || !first || own === first || !await equal(own, first)) continue;
    if (value instanceof AffineQuantizedTensor) setField(module, field, first);
    else if (value instanceof LinearActivationQuantizedTensor) {
      const same = sameInput(value, shared as LinearActivationQuantizedTensor);
      setField(module, field, same ? shared : value.withWeight(first));
    }
    own.dispose();
    return true;
  }
  return false;
}

function integersOf(weight: unknown): AffineQuantizedTensor | undefined {
  if (weight instanceof LinearActivationQuantizedTensor) return weight.originalWeight;
  return weight instanceof AffineQuantizedTensor ? weight : undefined;
}

/** What a weight's inputs are scaled by, if they are. */
function preScaleOf(weight: unknown): Tensor | undefined {
  if (!(weight instanceof LinearActivationQuantizedTensor)) return undefined;
  const { inputQuantizer: input } = weight;
  return input.kind === "custom" ? undefined : input.preScale;
}

/** Whether two layers quantize any input alike. */
function sameInput(
  { inputQuantizer: a }: LinearActivationQuantizedTensor,
  { inputQuantizer: b }: LinearActivationQuantizedTensor,
): boolean {
  if (a.kind === "custom" && b.kind === "custom") return a.quantize === b.quantize;
  return a.kind === "dynamic" && b.kind === "dynamic" && a.targetDtype === b.targetDtype &&
    a.quantMin === b.quantMin && a.quantMax === b.quantMax && a.eps === b.eps &&
    a.perTensor === b.perTensor && a.asymmetric === b.asymmetric && a.valueLb === b.valueLb &&
    a.valueUb === b.valueUb &&
    a.preScale === b.preScale;
}

/** Whether two weights that were quantized from one have the same integers: those of equal parameters. */
async function equal(a: AffineQuantizedTensor, b: AffineQuantizedTensor): Promise<boolean> {
  const alike = a.targetDtype === b.targetDtype && a.dtype === b.dtype &&
    a.quantMin === b.quantMin && a.quantMax === b.quantMax && a.device === b.device &&
    sameShape(a.shape, b.shape) && sameShape(a.blockSize, b.blockSize);
  return alike && await sameNumbers(a.scale, b.scale) &&
    await sameNumbers(a.zeroPoint, b.zeroPoint);
}

async function sameNumbers(a: Tensor | null, b: Tensor | null): Promise<boolean> {
  if (!a || !b) return a === b;
  if (a.dtype !== b.dtype || a.numel !== b.numel) return false;
  const [x, y] = await Promise.all([a.bytes(), b.bytes()]);
  return x.every((byte, i) => byte === y[i]);
}
