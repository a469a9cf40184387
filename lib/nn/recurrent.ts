/**
 * What the recurrent layers have in common.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { float32 } from "../numbers/dtype.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
import { cat, slice } from "../tensor/movement.ts";
import { linear } from "../tensor/ops.ts";
import { type CellResult, runCell } from "../tensor/recurrent.ts";
import { checkTensor, type Tensor, tidy } from "../tensor/tensor.ts";
import { checkShare } from "./dropout.ts";
import { fanInBound, uniform } from "./initial.ts";
import {
  checkBoolean,
  checkFloatDType,
  checkParametersFit,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Module, setField } from "./module.ts";
import { python, pythonFloat } from "./python_text.ts";

/** Options of {@linkcode LSTM} and {@linkcode GRU}. */
export interface RecurrentOptions extends LayerOptions {
  /** How many layers lie upon each other; 1 by default. */
  numLayers?: number;
  /** Whether there are biases; true by default. */
  bias?: boolean;
  /** Whether inputs and outputs are (N, L, …), not (L, N, …); false by default. */
  batchFirst?: boolean;
  /** The share of numbers that training drops between layers; 0 by default. */
  dropout?: number;
  /** Whether each layer also goes through the steps backwards; false by default. */
  bidirectional?: boolean;
}

/** The parameters of one direction of one layer. */
interface Direction {
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh: Tensor | null;
  readonly biasHh: Tensor | null;
}

/** A recurrent layer; {@linkcode LSTM} and {@linkcode GRU} say of which cells. */
export abstract class Recurrent extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Recurrent";

  /** Which cell. */
  protected abstract get cell(): "lstm" | "gru";
  /** Size of each step of the input. */
  readonly inputSize: number;
  /** Size of the hidden state. */
  readonly hiddenSize: number;
  /** How many layers lie upon each other. */
  readonly numLayers: number;
  /** Whether there are biases. */
  readonly bias: boolean;
  /** Whether inputs and outputs are (N, L, …). */
  readonly batchFirst: boolean;
  /** The share of numbers that training drops between layers. */
  readonly dropout: number;
  /** Whether each layer also goes through the steps backwards. */
  readonly bidirectional: boolean;

  /** A layer with parameters drawn as PyTorch draws them, under PyTorch's names. */
  protected constructor(
    gates: number,
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions,
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "numLayers",
      "bias",
      "batchFirst",
      "dropout",
      "bidirectional",
      ...LAYER_OPTIONS,
    ]);
    checkFloatDType(where, options);
    const { numLayers = 1, bias = true, batchFirst = false, dropout = 0, bidirectional = false } =
      options;
    this.inputSize = checkSize(where, "inputSize", inputSize);
    this.hiddenSize = checkSize(where, "hiddenSize", hiddenSize);
    this.numLayers = checkSize(where, "numLayers", numLayers);
    this.bias = checkBoolean(where, "bias", bias);
    this.batchFirst = checkBoolean(where, "batchFirst", batchFirst);
    this.dropout = checkShare(where, "dropout", dropout);
    this.bidirectional = checkBoolean(where, "bidirectional", bidirectional);
    const directions = bidirectional ? 2 : 1;
    const rows = gates * hiddenSize;
    const shapes = Array.from({ length: numLayers }, (_, layer) =>
      [
        ["weight_ih", [rows, layer === 0 ? inputSize : hiddenSize * directions]],
        ["weight_hh", [rows, hiddenSize]],
        ...bias ? [["bias_ih", [rows]], ["bias_hh", [rows]]] : [],
      ] as [string, number[]][]);
    checkParametersFit(where, shapes.flat().map(([, shape]) => shape), options);
    const bound = fanInBound(hiddenSize);
    shapes.forEach((parameters, layer) => {
      for (const suffix of this.suffixes) {
        for (const [name, shape] of parameters) {
          setField(this, `${name}_l${layer}${suffix}`, uniform(shape, bound, options));
        }
      }
    });
  }

  /** What the names of the directions' parameters end in. */
  private get suffixes(): string[] {
    return this.bidirectional ? ["", "_reverse"] : [""];
  }

  /** The parameters of a direction of a layer. */
  private direction(layer: number, suffix: string): Direction {
    const field = (name: string) =>
      (this as unknown as Record<string, Tensor | undefined>)[`${name}_l${layer}${suffix}`];
    return {
      weightIh: field("weight_ih")!,
      weightHh: field("weight_hh")!,
      biasIh: field("bias_ih") ?? null,
      biasHh: field("bias_hh") ?? null,
    };
  }

  /**
   * Runs all layers.
   *
   * @param x (L, N, inputSize) or, batch first, (N, L, inputSize), or without N.
   * @param states what hidden states, and an LSTM's cell states, begin from, (layers · directions, N, hiddenSize);
   * none for zeros.
   * @param wanted whether the last states are given too.
   */
  protected run(
    x: Tensor,
    states: readonly Tensor[],
    wanted: boolean,
  ): { output: Tensor; states: Tensor[] } {
    this.check(x, states);
    return tidy(() => {
      if (x.ndim === 3) return this.layers(x, states, wanted);
      const [steps, size] = x.shape;
      const batch = x.reshape(this.batchFirst ? [1, steps, size] : [steps, 1, size]);
      const begin = states.map((s) => s.reshape(s.shape[0], 1, s.shape[1]));
      const { output, states: ends } = this.layers(batch, begin, wanted);
      return {
        output: output.reshape(steps, output.shape[2]),
        states: ends.map((s) => s.reshape(s.shape[0], s.shape[2])),
      };
    });
  }

  /** Runs all layers, one after the other, over a batch. */
  private layers(
    x: Tensor,
    states: readonly Tensor[],
    wanted: boolean,
  ): { output: Tensor; states: Tensor[] } {
    const { dtype } = x;
    const results: CellResult[] = [];
    let input = x.to(float32);
    for (let layer = 0; layer < this.numLayers; layer++) {
      const outputs = this.suffixes.map((suffix) => {
        const begin = states.map((s) => stateAt(s, results.length));
        const result = this.direct(input, this.direction(layer, suffix), begin, suffix !== "");
        results.push(result);
        return result.output;
      });
      input = outputs.length === 1 ? outputs[0] : cat(outputs, 2);
    }
    const ends = wanted
      ? [results.map(({ hidden }) => hidden), results.map(({ state }) => state!)]
        .slice(0, this.cell === "lstm" ? 2 : 1).map((parts) => stacked(parts).to(dtype))
      : [];
    return { output: input.to(dtype), states: ends };
  }

  /** One direction of one layer: the product of all inputs at once, then step by step. */
  private direct(
    input: Tensor,
    { weightIh, weightHh, biasIh, biasHh }: Direction,
    [hidden = null, state = null]: readonly (Tensor | null)[],
    reverse: boolean,
  ): CellResult {
    const where = this.displayName;
    const wide = (t: Tensor | null) => t && t.to(float32);
    const products = linear(input, weightIh.to(float32), wide(biasIh), where);
    return runCell(where, products, {
      cell: this.cell,
      weight: weightHh.to(float32),
      bias: wide(biasHh),
      hidden,
      state,
      batchFirst: this.batchFirst,
      reverse,
    });
  }

  /** Refuses inputs whose shapes and dtypes do not fit. */
  private check(x: Tensor, states: readonly Tensor[]): void {
    const where = this.displayName;
    checkTensor(where, x);
    const { inputSize, hiddenSize, batchFirst } = this;
    if (![2, 3].includes(x.ndim) || x.shape.at(-1) !== inputSize || x.shape.at(-2) === 0) {
      const laidOut = batchFirst ? `(N, L, ${inputSize})` : `(L, N, ${inputSize})`;
      throw new RangeError(
        `${where}: the input must have shape ${laidOut} or (L, ${inputSize}) with a step at least, got ${
          formatShape(x.shape)
        }`,
      );
    }
    const { weightIh } = this.direction(0, "");
    if (x.dtype !== weightIh.dtype) {
      throw new TypeError(
        `${where}: the input is ${x.dtype.name} and the weight ${weightIh.dtype.name}; both must be the ` +
          `same float dtype: convert one with .to(${weightIh.dtype.name})`,
      );
    }
    const batch = x.ndim === 2 ? [] : [x.shape[batchFirst ? 0 : 1]];
    const shape = [this.numLayers * this.suffixes.length, ...batch, hiddenSize];
    states.forEach((state, i) => {
      const name = i === 0 ? "hidden state" : "cell state";
      checkTensor(`${where}: ${name}`, state);
      if (sameShape(state.shape, shape)) return;
      throw new RangeError(
        `${where}: the ${name} must have shape ${formatShape(shape)}, got ${
          formatShape(state.shape)
        }`,
      );
    });
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { numLayers, bias, batchFirst, dropout, bidirectional } = this;
    const parts = [`${this.inputSize}, ${this.hiddenSize}`];
    if (numLayers !== 1) parts.push(`num_layers=${numLayers}`);
    if (!bias) parts.push("bias=False");
    if (batchFirst) parts.push(`batch_first=${python(batchFirst)}`);
    if (dropout !== 0) parts.push(`dropout=${pythonFloat(dropout)}`);
    if (bidirectional) parts.push(`bidirectional=${python(bidirectional)}`);
    return parts.join(", ");
  }
}

/** The state of a direction of a layer, (N, H), in float32. */
function stateAt(states: Tensor, index: number): Tensor {
  return slice(states, 0, index, index + 1).reshape(states.shape.slice(1)).to(float32);
}

/** States of all directions in one tensor, (layers · directions, N, H). */
function stacked(parts: readonly Tensor[]): Tensor {
  return cat(parts.map((part) => part.reshape(1, ...part.shape)), 0);
}
