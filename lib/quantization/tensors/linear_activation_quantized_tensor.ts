/**
 * A quantized weight that also quantizes the input it is multiplied with.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import type { LinearWeight } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedTensor } from "./quantized_tensor.ts";

/** Quantizes a layer's input. */
export type InputQuantFunc = (x: Tensor) => AffineQuantizedTensor;

/**
 * A quantized weight with a function that quantizes the layer's input. A plain `Linear` that holds
 * one runs an integer product. Made by {@linkcode toLinearActivationQuantized}.
 *
 * @example
 * ```ts
 * import { LinearActivationQuantizedTensor } from "@staticquant/staticquant";
 * console.log(LinearActivationQuantizedTensor.name);
 * ```
 */
export class LinearActivationQuantizedTensor implements LinearWeight, Disposable {
  /**
   * A weight and what quantizes its input.
   *
   * @param originalWeight the quantized weight.
   * @param inputQuantFunc quantizes the layer's input.
   */
  constructor(
    readonly originalWeight: AffineQuantizedTensor,
    readonly inputQuantFunc: InputQuantFunc,
  ) {}

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

  /** Bytes that the weight takes. */
  get nbytes(): number {
    return this.originalWeight.nbytes;
  }

  /** `x·Wᵀ + b`: quantizes `x`, then multiplies integers. Enqueued. */
  linear(x: Tensor, bias: Tensor | null): Tensor {
    using quantized = this.inputQuantFunc(x);
    return this.originalWeight.linear(quantized, bias);
  }

  /** The tensors of the weight. */
  tensors(): Record<string, Tensor> {
    return this.originalWeight.tensors();
  }

  /** A copy of the weight in memory of its own, with the same function. */
  clone(): LinearActivationQuantizedTensor {
    return new LinearActivationQuantizedTensor(this.originalWeight.clone(), this.inputQuantFunc);
  }

  /**
   * Refuses: the function that quantizes the input holds tensors of its own, on this device.
   *
   * @throws {Error} unless `device` is where it is.
   */
  to(device: Device): Promise<LinearActivationQuantizedTensor> {
    if (device === this.device) return Promise.resolve(this);
    return Promise.reject(
      new Error(
        `LinearActivationQuantizedTensor: a quantized weight cannot move to ${device} while its input quantization stays on ` +
          `${this.device}; quantize the model there, or use a config that gives QuantizedLinear`,
      ),
    );
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
    return `LinearActivationQuantizedTensor(activation=${
      this.inputQuantFunc.name || "anonymous"
    }, ` +
      `weight=${this.originalWeight})`;
  }
}

/**
 * Attaches input quantization to a quantized weight, for a plain `Linear` to hold.
 *
 * @param weight the quantized weight.
 * @param inputQuantFunc quantizes the layer's input, to 8 bits with one scale, or one a row.
 *
 * @example
 * ```ts
 * import {
 *   Linear, randn, type Tensor, tensor, toAffineQuantizedIntxStatic, toLinearActivationQuantized, uint8,
 * } from "@staticquant/staticquant";
 * const quantize = (x: Tensor, scale: number) =>
 *   toAffineQuantizedIntxStatic(x, tensor([scale]), tensor([128]), x.shape, uint8);
 * const layer = new Linear(8, 4);
 * layer.weight = toLinearActivationQuantized(quantize(layer.weight as Tensor, 0.003), (x) => quantize(x, 0.03));
 * console.log(layer.forward(randn([2, 8])).shape); // [ 2, 4 ]
 * ```
 */
export function toLinearActivationQuantized(
  weight: AffineQuantizedTensor,
  inputQuantFunc: InputQuantFunc,
): LinearActivationQuantizedTensor {
  return new LinearActivationQuantizedTensor(weight, inputQuantFunc);
}
