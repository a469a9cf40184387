/**
 * The affine layer.
 *
 * @module
 */
import type { Device } from "../backend/backend.ts";
import type { DType } from "../numbers/dtype.ts";
import { checkLinearShapes, linear } from "../tensor/ops.ts";
import { rand, Tensor } from "../tensor/tensor.ts";
import { type LinearWeight, Module } from "./module.ts";

/** Options of {@linkcode Linear}. */
export interface LinearOptions {
  /** Whether there is a bias; true by default. */
  bias?: boolean;
  /** Dtype of weight and bias; float32 by default. */
  dtype?: DType;
  /** Device of weight and bias; by default what `init` chose. */
  device?: Device;
}

/** Uniform on [−1/√inFeatures, 1/√inFeatures), what PyTorch starts a Linear with. */
function initial(shape: number[], inFeatures: number, options: LinearOptions): Tensor {
  const bound = 1 / Math.sqrt(inFeatures);
  return rand(shape, { ...options, low: -bound, high: bound }).keep();
}

/**
 * `y = x·Wᵀ + b`, as `torch.nn.Linear`. The weight starts out as PyTorch's does, uniform on
 * ±1/√inFeatures, by the stream of `manualSeed`.
 *
 * @example
 * ```ts
 * import { Linear, randn } from "@staticquant/staticquant";
 * const layer = new Linear(64, 32, { bias: false });
 * using y = layer.forward(randn([5, 64]));
 * console.log(String(layer), y.shape);
 * // Linear(in_features=64, out_features=32, bias=False) [ 5, 32 ]
 * ```
 */
export class Linear extends Module {
  /** Size of each input row. */
  readonly inFeatures: number;
  /** Size of each output row. */
  readonly outFeatures: number;
  /** (outFeatures, inFeatures); a plain tensor, or a quantized one that brings its own product. */
  weight: Tensor | LinearWeight;
  /** (outFeatures,), or null. */
  bias: Tensor | null;

  /**
   * A layer with a weight and a bias drawn at random.
   *
   * @param inFeatures size of each input row.
   * @param outFeatures size of each output row.
   * @param options whether there is a bias, dtype and device.
   */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = initial([outFeatures, inFeatures], inFeatures, options);
    this.bias = options.bias === false ? null : initial([outFeatures], inFeatures, options);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, shape (…, inFeatures).
   * @returns shape (…, outFeatures).
   * @throws {RangeError} if the last dimension of `x` is not inFeatures.
   */
  override forward(x: Tensor): Tensor {
    if (this.weight instanceof Tensor) return linear(x, this.weight, this.bias, this.displayName);
    checkLinearShapes(this.displayName, x, this.weight.shape, this.bias);
    return this.weight.linear(x, this.bias);
  }

  /** PyTorch's words for the sizes. */
  override extraRepr(): string {
    const { inFeatures, outFeatures } = this;
    const weight = this.weight instanceof Tensor ? "" : `, weight=${this.weight}`;
    return `in_features=${inFeatures}, out_features=${outFeatures}, bias=${
      this.bias ? "True" : "False"
    }${weight}`;
  }
}
