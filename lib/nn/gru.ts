/**
 * Gated recurrent units.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { Recurrent, type RecurrentOptions } from "./recurrent.ts";

/**
 * Layers of gated recurrent units, as `torch.nn.GRU`. With `r, z` from sigmoid of what the input and the
 * hidden state `h` multiply to, and `n = tanh(W·x + b + r·(W'·h + b'))`, a step is `h = (1 − z)·n + z·h`.
 * Parameters have PyTorch's names (`weight_ih_l0`, …) and start out uniform on ±1/√hiddenSize.
 *
 * `forward` gives the output alone, so that the layer fits into a `Sequential`; `forwardWithState` gives
 * the last state too. Steps are computed in float32 and rounded at the end.
 *
 * @example
 * ```ts
 * import { GRU, randn } from "@staticquant/staticquant";
 * const gru = new GRU(16, 32, { batchFirst: true });
 * const [output, h] = gru.forwardWithState(randn([2, 10, 16]));
 * console.log(output.shape, h.shape); // [ 2, 10, 32 ] [ 1, 2, 32 ]
 * ```
 */
export class GRU extends Recurrent {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "GRU";

  /** Which cell. */
  protected override get cell(): "gru" {
    return "gru";
  }

  /**
   * A layer with parameters drawn at random.
   *
   * @throws {RangeError} if a size is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  /**
   * The hidden states of the last layer after each step. Enqueued.
   *
   * @param x float, (L, N, inputSize); with `batchFirst` (N, L, inputSize); or (L, inputSize).
   * @param h0 what hidden states begin from, (layers · directions, N, hiddenSize); zeros by default.
   * @returns `x`'s shape with hiddenSize · directions last.
   * @throws {RangeError} if a shape does not fit.
   * @throws {TypeError} if the dtypes differ.
   */
  override forward(x: Tensor, h0?: Tensor): Tensor {
    return this.run(x, h0 ? [h0] : [], false).output;
  }

  /**
   * The output, and the state after the last step: what PyTorch's `forward` gives. Enqueued.
   *
   * @param x as `forward` takes it.
   * @param h0 hidden states to begin from; zeros by default.
   */
  forwardWithState(x: Tensor, h0?: Tensor): [output: Tensor, h: Tensor] {
    const { output, states: [h] } = this.run(x, h0 ? [h0] : [], true);
    return [output, h];
  }
}
