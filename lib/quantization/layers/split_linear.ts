/**
 * Affine layers that multiply some columns of their input apart from the others.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import { Module, setField } from "../../nn/module.ts";
import { int32 } from "../../numbers/dtype.ts";
import { indexSelect } from "../../tensor/movement.ts";
import { add } from "../../tensor/pointwise.ts";
import { type Tensor, tensor, zeros } from "../../tensor/tensor.ts";
import { COPIED, copiedChannels, keepCopied } from "./copied_channels.ts";

/**
 * `y = x·Rᵀ + b + x[columns]·Sᵀ`: a `Linear` whose weight is `R`, with zeros in the columns that are multiplied apart,
 * and `S`, which has these alone. One may be quantized and the other not.
 */
export class SplitLinear extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SplitLinear";

  /** Multiplies all columns; those of {@linkcode SplitLinear.columns} with zeros. Has the bias. */
  others: Module;
  /** Multiplies the columns that are split off. */
  outliers: Linear;
  /** Which these are, int32. */
  columns: Tensor;

  /** A layer of two, which share an input. */
  constructor(others: Module, outliers: Linear, columns: Tensor) {
    super();
    this.others = others;
    this.outliers = outliers;
    this.columns = columns;
  }

  /** A layer that computes what another does, some columns apart. Has tensors of its own, but for the bias. */
  static async of(layer: Linear & { weight: Tensor }, columns: readonly number[]) {
    const { inFeatures, outFeatures, bias, weight: { dtype, device } } = layer;
    const rest = Float64Array.from(await layer.weight.data());
    const split = new Float64Array(outFeatures * columns.length);
    for (let r = 0; r < outFeatures; r++) {
      columns.forEach((c, i) => {
        split[r * columns.length + i] = rest[r * inFeatures + c];
        rest[r * inFeatures + c] = 0;
      });
    }
    const held = (data: Float64Array, width: number, bias: Tensor | null) => {
      const weight = tensor(data, { shape: [outFeatures, width], dtype, device }).keep();
      return new Linear(width, outFeatures, { weight, bias });
    };
    const places = tensor([...columns], { dtype: int32, device }).keep();
    const others = keepCopied(held(rest, inFeatures, bias), layer);
    const outliers = held(split, columns.length, null);
    const { outputs } = copiedChannels(layer);
    if (outputs > 0) setField(outliers, COPIED, { inputs: 0, outputs });
    return new SplitLinear(others, outliers, places);
  }

  /** A layer in whose place one that splits off so many columns is to be loaded. */
  static around(layer: Linear & { weight: Tensor }, count: number): SplitLinear {
    const { outFeatures, weight: { dtype, device } } = layer;
    const weight = zeros([outFeatures, count], { dtype, device }).keep();
    const outliers = new Linear(count, outFeatures, { weight, bias: null });
    return new SplitLinear(layer, outliers, zeros([count], { dtype: int32, device }).keep());
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, shape (…, inFeatures).
   * @returns shape (…, outFeatures).
   */
  override forward(x: Tensor): Tensor {
    using few = indexSelect(x, -1, this.columns);
    using side = this.outliers.forward(few);
    using main = this.others.forward(x);
    return add(main, side);
  }
}
