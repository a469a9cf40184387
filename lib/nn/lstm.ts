/**
 * Long short-term memory.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Recurrent, type RecurrentOptions } from "./recurrent.ts";

/**
 * Layers of long short-term memory, as `torch.nn.LSTM`. With `i, f, o` from sigmoid and `g` from tanh of what the
 * input and the hidden state `h` multiply to, a step is `c = f·c + i·g`, `h = o·tanh(c)`. Parameters
 * have PyTorch's names (`weight_ih_l0`, `bias_hh_l1_reverse`, …) and start out uniform on ±1/√hiddenSize.
 *
 * `forward` gives the output alone, so that the layer fits into a `Sequential`; `forwardWithState` gives
 * the last states too. Steps are computed in float32 and rounded at the end.
 *
 * @example
 * ```ts
 * import { LSTM, randn } from "@staticquant/staticquant";
 * const lstm = new LSTM(16, 32, { batchFirst: true });
 * const [output, [h, c]] = lstm.forwardWithState(randn([2, 10, 16]));
 * console.log(output.shape, h.shape, c.shape); // [ 2, 10, 32 ] [ 1, 2, 32 ] [ 1, 2, 32 ]
 * ```
 */
export class LSTM extends Recurrent {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "LSTM";

  /** Which cell. */
  protected override get cell(): "lstm" {
    return "lstm";
  }

  /**
   * A layer with parameters drawn at random.
   *
   * @throws {RangeError} if a size is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(4, inputSize, hiddenSize, options);
  }

  /**
   * The hidden states of the last layer after each step. Enqueued.
   *
   * @param x float, (L, N, inputSize); with `batchFirst` (N, L, inputSize); or (L, inputSize).
   * @param h0 what hidden states begin from, (layers · directions, N, hiddenSize); zeros by default.
   * @param c0 what cell states begin from, given together with `h0`.
   * @returns `x`'s shape with hiddenSize · directions last.
   * @throws {RangeError} if a shape does not fit.
   * @throws {TypeError} if the dtypes differ, or one of `h0` and `c0` is missing.
   */
  override forward(x: Tensor, h0?: Tensor, c0?: Tensor): Tensor {
    if (!h0 !== !c0) {
      throw new TypeError(
        `${this.displayName}: h0 and c0 must be given together, got ${given(h0)} and ${given(c0)}`,
      );
    }
    return this.run(x, h0 && c0 ? [h0, c0] : [], false).output;
  }

  /**
   * The output, and the states after the last step: what PyTorch's `forward` gives. Enqueued.
   *
   * @param x as `forward` takes it.
   * @param state hidden and cell states to begin from; zeros by default.
   */
  forwardWithState(
    x: Tensor,
    state?: readonly [h0: Tensor, c0: Tensor],
  ): [output: Tensor, state: [h: Tensor, c: Tensor]] {
    const { output, states: [h, c] } = this.run(x, state ?? [], true);
    return [output, [h, c]];
  }
}
