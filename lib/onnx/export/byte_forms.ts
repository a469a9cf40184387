/**
 * Layers that hand bytes on, in ONNX: floats between QuantizeLinear and DequantizeLinear, which onnxruntime makes
 * kernels for bytes of. Signed bytes are moved up by 128, and their zero points with them, as those of layers with
 * weights are.
 *
 * @module
 */
import {
  QuantizedAdd,
  QuantizedCat,
  QuantizedMul,
} from "../../quantization/layers/quantized_functional.ts";
import { QuantizedPool } from "../../quantization/layers/quantized_pool.ts";
import { QuantizedTable } from "../../quantization/layers/quantized_table.ts";
import type { ActivationQuantizer } from "../../quantization/tensors/activation_quantizer.ts";
import { staticInputOf } from "./activation.ts";
import { entry, type FormEntry, type LayerUse } from "./form.ts";
import { float, type Input, type Nodes } from "./nodes.ts";
import { poolForm } from "./pool_forms.ts";

/** Adds the bytes of floats. */
function bytesOf(nodes: Nodes, x: Input, to: ActivationQuantizer): Input {
  const { divisor, zeroPoint, quantMin, quantMax } = staticInputOf(to);
  const bound = (byte: number) => float((byte - zeroPoint) * divisor);
  // QuantizeLinear saturates where the type ends; a narrower range is cut beforehand.
  const cut = quantMin > 0 || quantMax < 255
    ? nodes.add("Clip", [x, bound(quantMin), bound(quantMax)])
    : x;
  return nodes.add("QuantizeLinear", [cut, float(divisor), { kind: "uint8", value: zeroPoint }]);
}

/** Adds the floats that bytes stand for. */
function floatsOf(nodes: Nodes, bytes: Input, to: ActivationQuantizer): Input {
  const { scale, zeroPoint: value } = staticInputOf(to);
  return nodes.add("DequantizeLinear", [bytes, float(scale), { kind: "uint8", value }]);
}

/** Adds floats rounded to those that bytes stand for. */
export function throughBytes(nodes: Nodes, x: Input, to: ActivationQuantizer): Input {
  return floatsOf(nodes, bytesOf(nodes, x, to), to);
}

/** The byte of each byte, looked up. */
function table(nodes: Nodes, layer: QuantizedTable, [x]: readonly Input[]): Input {
  const { table, input, output } = layer;
  const [from, to] = [input, output].map(({ targetDtype: { min } }) => min < 0 ? 128 : 0);
  const bytes: Input = {
    kind: "parameter",
    tensors: [table],
    name: "table",
    dims: [256],
    type: "uint8",
    make: (data) => data.map((_, i) => data[(i - from) & 255] + to),
  };
  const index = nodes.add("Cast", [bytesOf(nodes, x, input)], { to: 6 });
  return floatsOf(nodes, nodes.add("Gather", [bytes, index], { axis: 0 }), output);
}

/** Means of what bytes stand for. */
function pool(
  nodes: Nodes,
  layer: QuantizedPool,
  [x]: readonly Input[],
  use: LayerUse,
): Input {
  const { pool, input, output } = layer;
  const mean = poolForm(pool)!(nodes, pool, [throughBytes(nodes, x, input)], use);
  return throughBytes(nodes, mean, output);
}

/** Their forms. */
export const BYTE_FORMS: readonly FormEntry[] = [
  entry(QuantizedTable, table),
  entry(QuantizedPool, pool),
  entry(QuantizedAdd, (nodes, { output, relu }, inputs) => {
    const sum = nodes.add("Add", inputs);
    return throughBytes(nodes, relu ? nodes.add("Relu", [sum]) : sum, output);
  }),
  entry(
    QuantizedMul,
    (nodes, { output }, inputs) => throughBytes(nodes, nodes.add("Mul", inputs), output),
  ),
  entry(QuantizedCat, (nodes, { output, dim }, inputs, { output: { shape } }) => {
    const axis = dim < 0 ? dim + shape.length : dim;
    return throughBytes(nodes, nodes.add("Concat", inputs, { axis }), output);
  }),
];
