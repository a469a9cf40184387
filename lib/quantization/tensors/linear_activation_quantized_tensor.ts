/**
 * A quantized weight that also quantizes the input it is multiplied with.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import type { LinearWeight } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  asInputQuantizer,
  cloneInput,
  inputName,
  type InputQuantFunc,
  type InputQuantizer,
  inputTensors,
  inputWith,
  moveInput,
  quantizeInput,
} from "./input_quantizer.ts";
import type { AffineQuantizedTensor } from "./quantized_tensor.ts";

/**
 * A quantized weight with what quantizes the layer's input. A plain `Linear` that holds one runs an integer product. Made by {@linkcode toLinearActivationQuantized}.
 *
 * @example
 * ```ts
 * import { LinearActivationQuantizedTensor } from "@staticquant/staticquant";
 * console.log(LinearActivationQuantizedTensor.name);
 * ```
 */
export class LinearActivationQuantizedTensor implements LinearWeight, Disposable {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "LinearActivationQuantizedTensor";

  /** The quantized weight. */
  readonly originalWeight: AffineQuantizedTensor;
  /** How the layer's input is quantized. */
  readonly inputQuantizer: InputQuantizer;

  /**
   * A weight and what quantizes its input.
   *
   * @param originalWeight the quantized weight.
   * @param inputQuantizer how the layer's input is quantized; a function becomes a `custom` one.
   * @throws {TypeError} if that is neither.
   */
  constructor(
    originalWeight: AffineQuantizedTensor,
    inputQuantizer: InputQuantizer | InputQuantFunc,
  ) {
    this.originalWeight = originalWeight;
    this.inputQuantizer = asInputQuantizer("LinearActivationQuantizedTensor", inputQuantizer);
  }

  /** The input's quantization as a function. */
  get inputQuantFunc(): InputQuantFunc {
    return (x) => quantizeInput(this.inputQuantizer, x);
  }

  /** (outFeatures, inFeatures). */
  get shape(): readonly number[] {
    return this.originalWeight.shape;
  }

  /** The float dtype that the weight stands for. */
  get dtype(): DType {
    return this.originalWeight.dtype;
  }

  /** The device that holds the weight. */
  get device(): Device {
    return this.originalWeight.device;
  }

  /** Bytes that the weight takes, and the input's fixed parameters. */
  get nbytes(): number {
    return Object.values(this.tensors()).reduce((sum, t) => sum + t.nbytes, 0);
  }

  /** `x·Wᵀ + b`: quantizes `x`, then multiplies integers. Enqueued. */
  linear(x: Tensor, bias: Tensor | null): Tensor {
    using quantized = quantizeInput(this.inputQuantizer, x);
    return this.originalWeight.linear(quantized, bias);
  }

  /** The tensors of the weight, and the input's fixed parameters. */
  tensors(): Record<string, Tensor> {
    return { ...this.originalWeight.tensors(), ...inputTensors(this.inputQuantizer) };
  }

  /** A copy in memory of its own; a function of the user's is shared. `copies` maps what was copied before. */
  clone(copies?: Map<unknown, unknown>): LinearActivationQuantizedTensor {
    const { originalWeight, inputQuantizer } = this;
    const weight = originalWeight.clone(copies);
    return new LinearActivationQuantizedTensor(weight, cloneInput(inputQuantizer));
  }

  /** The same input quantization for another weight. */
  withWeight(weight: AffineQuantizedTensor): LinearActivationQuantizedTensor {
    return new LinearActivationQuantizedTensor(weight, this.inputQuantizer);
  }

  /** The same with other tensors in place of those that `values` has, whose shapes and dtypes they have. */
  withTensors(values: ReadonlyMap<Tensor, Tensor>): LinearActivationQuantizedTensor {
    const { originalWeight, inputQuantizer } = this;
    const weight = originalWeight.withTensors(values);
    return new LinearActivationQuantizedTensor(weight, inputWith(inputQuantizer, values));
  }

  /**
   * The same on another device; itself if it is there. `moved` maps what was moved before.
   *
   * @throws {Error} if a function of the user's quantizes the input, which may hold tensors of its own.
   */
  async to(
    device: Device,
    moved?: Map<unknown, unknown>,
  ): Promise<LinearActivationQuantizedTensor> {
    if (device === this.device) return this;
    const input = await moveInput(
      "LinearActivationQuantizedTensor",
      this.inputQuantizer,
      device,
    );
    return new LinearActivationQuantizedTensor(await this.originalWeight.to(device, moved), input);
  }

  /** Frees the weight's integers; scale and zero point, which others may share, are left. */
  dispose(): void {
    this.originalWeight.dispose();
  }

  /** The same as {@linkcode LinearActivationQuantizedTensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What this is. */
  toString(): string {
    const { originalWeight, inputQuantizer: input } = this;
    const before = input.kind === "custom" ? undefined : input.preScale;
    const scaled = before ? `act_pre_scale=[${before.shape.join(", ")}], ` : "";
    return `LinearActivationQuantizedTensor(activation=${inputName(input)}, ${scaled}` +
      `weight=${originalWeight})`;
  }
}

/**
 * Attaches input quantization to a quantized weight, for a plain `Linear` to hold.
 *
 * @param weight the quantized weight.
 * @param inputQuantizer how the layer's input is quantized, to 8 bits with one scale, or one a row. A
 * function that does it is taken too, but then the layer can be neither saved nor exported, and cannot
 * change devices.
 *
 * @example
 * ```ts
 * import {
 *   Linear, randn, staticInputQuantizer, type Tensor, tensor, toAffineQuantizedIntxStatic,
 *   toLinearActivationQuantized, uint8,
 * } from "@staticquant/staticquant";
 * const layer = new Linear(8, 4);
 * const weight = layer.weight as Tensor;
 * const quantized = toAffineQuantizedIntxStatic(weight, tensor([0.003]), tensor([128]), [4, 8], uint8);
 * const input = staticInputQuantizer(tensor([0.03]), tensor([128]), uint8);
 * layer.weight = toLinearActivationQuantized(quantized, input);
 * console.log(layer.forward(randn([2, 8])).shape); // [ 2, 4 ]
 * ```
 */
export function toLinearActivationQuantized(
  weight: AffineQuantizedTensor,
  inputQuantizer: InputQuantizer | InputQuantFunc,
): LinearActivationQuantizedTensor {
  return new LinearActivationQuantizedTensor(weight, inputQuantizer);
}
