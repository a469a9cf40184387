/** A model with nodes that suffer from quantization more and less, and samples for it. */
import type { OnnxModel } from "../../lib/onnx/file/model.ts";
import { floats, node, noise, smallModel } from "./small_models.ts";

/**
 * Products 16-24-24-5 with ReLU between. The weight of the second has one column that is a thousand times the
 * others in its rows, which a scale for the whole tensor can't serve; the input of the third has values far
 * apart.
 */
export function unevenModel(): OnnxModel {
  const weight = (name: string, rows: number, columns: number, factor: (c: number) => number) =>
    floats(
      name,
      [rows, columns],
      Array.from(
        noise(rows, columns).data as Float32Array,
        (value, i) => value / 4 * factor(i % columns),
      ),
    );
  return smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w1"], ["h1"]),
      node("Relu", ["h1"], ["r1"]),
      node("MatMul", ["r1", "w2"], ["h2"]),
      node("Relu", ["h2"], ["r2"]),
      node("MatMul", ["r2", "w3"], ["y"]),
    ].map((each, i) => Object.assign(each, { name: `n${i}` })),
    constants: [
      weight("w1", 16, 24, () => 1),
      weight("w2", 24, 24, (c) => c === 7 ? 200 : 1),
      weight("w3", 24, 5, () => 1),
    ],
    inputs: { x: ["float32", "n", 16] },
    outputs: ["y"],
  });
}

/** Samples of a few rows; others for another start. */
export function unevenSamples(count: number, start = 0) {
  return Array.from({ length: count }, (_, i) => {
    const x = noise(3 + i % 3, 16);
    const data = (x.data as Float32Array).map((value, j) =>
      value * Math.cos(1.3 * (start + i) + 0.7 * j)
    );
    return { x: { data, dims: [...x.dims] } };
  });
}
