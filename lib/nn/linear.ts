/**
 * The affine layer.
 *
 * @module
 */
import type { Device } from "../backend/backend.ts";
import { backendFor } from "../backend/registry.ts";
import { checkDType, checkOptions, given } from "../numbers/arguments.ts";
import { type DType, float32 } from "../numbers/dtype.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
import { checkLinearShapes, linear } from "../tensor/ops.ts";
import { rand, Tensor } from "../tensor/tensor.ts";
import { type LinearWeight, Module } from "./module.ts";

/** Options of {@linkcode Linear}. */
export interface LinearOptions {
  /** Whether there is a bias, or the one to hold; true by default. */
  bias?: boolean | Tensor | null;
  /** The weight to hold, (outFeatures, inFeatures); by default one is drawn at random. */
  weight?: Tensor | LinearWeight;
  /** Dtype of weight and bias; float32 by default. */
  dtype?: DType;
  /** Device of weight and bias; by default what `init` chose. */
  device?: Device;
}

/** Uniform on [−1/√inFeatures, 1/√inFeatures), what PyTorch starts a Linear with; zeros without inputs. */
function initial(shape: number[], inFeatures: number, options: LinearOptions): Tensor {
  const { dtype, device } = options;
  const bound = inFeatures > 0 ? 1 / Math.sqrt(inFeatures) : 0;
  return rand(shape, { dtype, device, low: -bound, high: bound }).keep();
}

/** Refuses sizes that are none, and weights that no device holds, before any number is drawn. */
function checkSizes(inFeatures: number, outFeatures: number, options: LinearOptions): void {
  const where = "Linear";
  checkOptions(where, options, ["bias", "dtype", "device", "weight"]);
  const { dtype = float32, device } = options;
  checkDType(where, "dtype", dtype);
  if (!dtype.isFloat) {
    throw new TypeError(`${where}: weights are drawn as floats, but dtype is ${dtype.name}`);
  }
  for (const [name, size] of Object.entries({ inFeatures, outFeatures })) {
    if (Number.isSafeInteger(size) && size >= 0) continue;
    throw new RangeError(`${where}: ${name} must be a non-negative integer, got ${given(size)}`);
  }
  if (options.weight) return;
  backendFor(device).checkFits(inFeatures * outFeatures * dtype.itemSize, where);
}

function checkShape(
  name: string,
  given: { readonly shape: readonly number[] } | undefined,
  shape: readonly number[],
): void {
  if (!given || sameShape(given.shape, shape)) return;
  throw new RangeError(
    `Linear: the ${name} must have shape ${formatShape(shape)}, got ${formatShape(given.shape)}`,
  );
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
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Linear";

  /** Size of each input row. */
  readonly inFeatures: number;
  /** Size of each output row. */
  readonly outFeatures: number;
  /** (outFeatures, inFeatures); a plain tensor, or a quantized one that brings its own product. */
  weight: Tensor | LinearWeight;
  /** (outFeatures,), or null. */
  bias: Tensor | null;

  /**
   * A layer with a weight and a bias drawn at random, unless they are given.
   *
   * @param inFeatures size of each input row.
   * @param outFeatures size of each output row.
   * @param options whether there is a bias, dtype and device; or weight and bias, which are not copied.
   * @throws {RangeError} if a size is no non-negative integer, the weight does not fit the device, or one that is
   * given has another shape.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkSizes(inFeatures, outFeatures, options);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const { weight, bias = true } = options;
    checkShape("weight", weight, [outFeatures, inFeatures]);
    if (bias instanceof Tensor) checkShape("bias", bias, [outFeatures]);
    this.weight = weight ?? initial([outFeatures, inFeatures], inFeatures, options);
    this.bias = bias === true ? initial([outFeatures], inFeatures, options) : bias || null;
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
