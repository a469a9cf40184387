/**
 * Recurrent layers in ONNX.
 *
 * @module
 */
import { GRU } from "../../nn/gru.ts";
import { LSTM } from "../../nn/lstm.ts";
import type { Recurrent } from "../../nn/recurrent.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { entry, type Form, type FormEntry } from "./form.ts";
import type { Input, Parameter } from "./nodes.ts";

/** Blocks of rows, one a gate, in another order. */
function reordered(data: Float32Array, order: readonly number[]): Float32Array {
  const block = data.length / order.length;
  const result = new Float32Array(data.length);
  order.forEach((gate, i) => {
    result.set(data.subarray(gate * block, (gate + 1) * block), i * block);
  });
  return result;
}

/** Arrays one after the other. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/**
 * One operator a layer of the stack.
 *
 * @param order where ONNX's gates stand among PyTorch's.
 */
function recurrent(opType: "LSTM" | "GRU", order: readonly number[]): Form<Recurrent> {
  return (nodes, layer, inputs, { where, sources: [{ shape }], output }) => {
    if (inputs.length > 1) {
      throw new TypeError(
        `${where} has no ONNX form here where states to begin from are given; leave them out, for zeros`,
      );
    }
    const { hiddenSize, numLayers, bidirectional, batchFirst, bias } = layer;
    const field = (name: string) => (layer as unknown as Record<string, Tensor>)[name];
    const suffixes = bidirectional ? ["", "_reverse"] : [""];
    const directions = suffixes.length;
    const rows = order.length * hiddenSize;
    const parameter = (
      name: string,
      l: number,
      names: readonly string[],
      dims: number[],
    ): Parameter => ({
      kind: "parameter",
      name: `${name}_l${l}`,
      tensors: suffixes.flatMap((suffix) => names.map((each) => field(`${each}_l${l}${suffix}`))),
      dims: [directions, ...dims],
      make: (...data) => joined(data.map((part) => reordered(part, order))),
    });
    const swap = (x: Input) => nodes.transpose(x, [1, 0, 2]);
    const plain = shape.length === 2;
    const whole = plain ? nodes.reshape(inputs[0], [shape[0], 1, shape[1]]) : inputs[0];
    let y = batchFirst && !plain ? swap(whole) : whole;
    for (let l = 0; l < numLayers; l++) {
      const size = l === 0 ? layer.inputSize : hiddenSize * directions;
      const parameters = [
        parameter("weight_ih", l, ["weight_ih"], [rows, size]),
        parameter("weight_hh", l, ["weight_hh"], [rows, hiddenSize]),
        ...bias ? [parameter("bias", l, ["bias_ih", "bias_hh"], [2 * rows])] : [],
      ];
      y = nodes.add(opType, [y, ...parameters], {
        hidden_size: hiddenSize,
        ...bidirectional ? { direction: { s: "bidirectional" } } : {},
        ...opType === "GRU" ? { linear_before_reset: 1 } : {},
      });
      // (L, directions, N, hiddenSize)
      const steps = plain ? shape[0] : shape[batchFirst ? 1 : 0];
      const batch = plain ? 1 : shape[batchFirst ? 0 : 1];
      y = nodes.reshape(nodes.transpose(y, [0, 2, 1, 3]), [steps, batch, directions * hiddenSize]);
    }
    if (plain) return nodes.reshape(y, output.shape);
    return batchFirst ? swap(y) : y;
  };
}

/** Their forms. */
export const RECURRENT_FORMS: readonly FormEntry[] = [
  entry(LSTM, recurrent("LSTM", [0, 3, 1, 2])),
  entry(GRU, recurrent("GRU", [1, 0, 2])),
];
