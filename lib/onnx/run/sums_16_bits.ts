/**
 * Finding out how this processor multiplies bytes.
 *
 * @module
 */
import { encodeModel } from "../export/encode.ts";
import { GraphBuilder } from "../export/graph.ts";
import { addLayer } from "../export/layers.ts";
import { type Ort, sessionOptions } from "./runtime.ts";

/** Greatest products, so many that a sum in 16 bits shows. */
const PROBE = { rows: 16, columns: 32, input: 255, weight: 127 };

/**
 * Whether the integer kernels of this processor add pairs of products in 16 bits, where they can overflow,
 * as those for x64 without 8-bit dot products do. onnxruntime has slower ones that do not, and an
 * option for them, which it heeds on every x64 processor; so the fast ones are tried first.
 *
 * @param where opens the errors.
 */
export async function sums16Bits(where: string, ort: Ort): Promise<boolean> {
  const { rows, columns, input, weight } = PROBE;
  const graph = new GraphBuilder(["x"]);
  const y = addLayer(graph, "probe", "x", {
    kind: "quantized",
    input: { kind: "static", scale: 1, divisor: 1, zeroPoint: 0, quantMin: 0, quantMax: 255 },
    weight: {
      rows,
      columns,
      integers: new Int8Array(rows * columns).fill(weight),
      ...{ min: -128, max: 127, groupSize: columns },
      scale: new Float32Array(rows).fill(1),
      zeroPoint: new Float32Array(rows),
    },
    bias: null,
  });
  const { nodes, initializers } = graph;
  const model = await encodeModel(where, {
    name: "probe",
    nodes,
    initializers,
    inputs: [{ name: "x", dims: [1, columns] }],
    outputs: [{ name: y, dims: [1, rows] }],
  });
  const session = await ort.InferenceSession.create(model, sessionOptions(false));
  const x = new ort.Tensor("float32", new Float32Array(columns).fill(input), [1, columns]);
  const sums = (await session.run({ x }, { [y]: null }))[y].data as Float32Array;
  await session.release();
  return sums.some((sum) => sum !== columns * input * weight);
}
