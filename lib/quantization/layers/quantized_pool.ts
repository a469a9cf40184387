/**
 * Means of bytes as bytes.
 *
 * @module
 */
import type { Backend, PoolRescaling } from "../../backend/backend.ts";
import { AdaptiveAvgPool1d } from "../../nn/adaptive_avg_pool1d.ts";
import { AdaptiveAvgPool2d } from "../../nn/adaptive_avg_pool2d.ts";
import { AvgPool1d } from "../../nn/avg_pool1d.ts";
import { AvgPool2d } from "../../nn/avg_pool2d.ts";
import { Module } from "../../nn/module.ts";
import { type MeanOfBytes, meanOfBytes } from "../../tensor/pooling.ts";
import { checkTensor, Tensor, tensor } from "../../tensor/tensor.ts";
import { type ActivationQuantizer, quantizeActivation } from "../tensors/activation_quantizer.ts";
import { type FunctionParts, registerFunctionKind } from "./function_kind.ts";

/** Layers of means. */
export type AveragePool = AvgPool1d | AvgPool2d | AdaptiveAvgPool1d | AdaptiveAvgPool2d;

/** The windows of a layer. */
function windowsOf(pool: AveragePool): MeanOfBytes {
  if ("outputSize" in pool) return { outputSize: pool.outputSize };
  const { kernelSize, stride, padding, ceilMode, countIncludePad } = pool;
  const { divisorOverride } = pool as Partial<AvgPool2d>;
  return { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride };
}

/** Whether a layer pools signals, not images. */
function isFlat(pool: AveragePool): boolean {
  return pool instanceof AvgPool1d || pool instanceof AdaptiveAvgPool1d;
}

/** The parameters of a layer as a backend takes them, for each layer and backend once. */
const ready = new WeakMap<QuantizedPool, { backend: Backend; tensors: readonly Tensor[] }>();

/**
 * A mean of windows, such as `AvgPool2d`, on bytes: sums are exact, and each mean is rounded once,
 * `clamp(round(Σ(q − zx)·(sx / (sy·count))) + zy)`. Made by `quantize_` of an {@linkcode ObservedFunction}.
 *
 * @example
 * ```ts
 * import { AvgPool2d, QuantizedPool, Tensor, tensor, uint8 } from "@staticquant/staticquant";
 * const bytes = { scale: 0.5, zeroPoint: 0, targetDtype: uint8, quantMin: 0, quantMax: 255 };
 * const layer = new QuantizedPool(new AvgPool2d(2), { input: bytes, output: bytes, table: null });
 * const x = Tensor.fromBytes(tensor([[[1, 3], [5, 7]]], { dtype: uint8 }), bytes);
 * console.log(await layer.forward(x).data()); // Float32Array [ 2 ]
 * ```
 */
export class QuantizedPool extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedPool";

  /** The float layer, for its windows. */
  readonly pool: AveragePool;
  /** How the input becomes bytes. */
  readonly input: ActivationQuantizer;
  /** How means do. */
  readonly output: ActivationQuantizer;

  /**
   * A layer of parts.
   *
   * @param pool the float layer.
   * @param parts both quantizers, of one dtype.
   * @throws {RangeError} if they are not.
   */
  constructor(pool: AveragePool, { input, output }: FunctionParts) {
    super();
    if (input?.targetDtype !== output.targetDtype) {
      throw new RangeError(
        `QuantizedPool: input and output are bytes of one dtype, got ${input?.targetDtype.name} and ` +
          output.targetDtype.name,
      );
    }
    this.pool = pool;
    this.input = input;
    this.output = output;
  }

  /** What it computes with. */
  get parts(): FunctionParts {
    const { input, output } = this;
    return { input, output, table: null };
  }

  /**
   * The means, as bytes. Enqueued.
   *
   * @param x float, as the float layer takes it.
   * @throws {RangeError} if the shape is another, or no window fits.
   */
  override forward(x: Tensor): Tensor {
    checkTensor(this.displayName, x);
    using quantized = quantizeActivation(x, this.input);
    using bytes = quantized.intRepr();
    const { pool } = this;
    const rescale = this.rescale(x.backend);
    using means = meanOfBytes(bytes, isFlat(pool) ? 1 : 2, windowsOf(pool), rescale);
    return Tensor.fromBytes(means, { ...this.output, dtype: x.dtype });
  }

  /** The parameters as a backend takes them. */
  private rescale(backend: Backend): PoolRescaling {
    const { input, output } = this;
    let known = ready.get(this);
    if (known?.backend !== backend) {
      const numbers = [input.scale, input.zeroPoint, output.scale, output.zeroPoint];
      const { device } = backend;
      known = { backend, tensors: numbers.map((value) => tensor([value], { device }).keep()) };
      ready.set(this, known);
    }
    const [xScale, xZeroPoint, yScale, yZeroPoint] = known.tensors.map((t) => t.operand.buffer);
    const { quantMin, quantMax } = output;
    return { xScale, xZeroPoint, yScale, yZeroPoint, quantMin, quantMax };
  }

  /** The windows, and the output's parameters. */
  override extraRepr(): string {
    const { output: { scale, zeroPoint } } = this;
    return `scale=${scale}, zero_point=${zeroPoint}`;
  }
}

registerFunctionKind<AveragePool, QuantizedPool>({
  name: "QuantizedPool",
  type: QuantizedPool,
  floatTypes: [AvgPool1d, AvgPool2d, AdaptiveAvgPool1d, AdaptiveAvgPool2d],
  input: true,
  table: false,
  build: (float, parts) => new QuantizedPool(float, parts),
});
