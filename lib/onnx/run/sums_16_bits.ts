/**
 * Finding out how this processor multiplies bytes.
 *
 * @module
 */
import { loadMessages } from "../file/messages.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { newModel } from "../graph/new_model.ts";
import { type Ort, sessionOptions } from "./ort.ts";

/** Greatest products, so many that a sum in 16 bits shows. */
const PROBE = { rows: 16, columns: 32, input: 255, weight: 127 };

/** A product of bytes, framed so that onnxruntime puts its integer kernel in its place. */
async function probe(where: string): Promise<Uint8Array<ArrayBuffer>> {
  const { rows, columns, weight } = PROBE;
  const messages = await loadMessages(where);
  const model = newModel(messages, {
    name: "probe",
    opset: 21,
    input: [messages.valueInfo("x", "float32", [1, columns])],
    output: [messages.valueInfo("y", "float32", [1, rows])],
  });
  const editor = new GraphEditor(model.graph, messages);
  const one = editor.constant("one", "float32", [], [1]);
  const zero = editor.constant("zero", "uint8", [], [0]);
  const q = editor.add("x", "QuantizeLinear", ["x", one, zero]);
  const x = editor.add("x", "DequantizeLinear", [q, one, zero]);
  const integers = new Int8Array(rows * columns).fill(weight);
  const w = editor.add("w", "DequantizeLinear", [
    editor.constant("w", "int8", [rows, columns], integers),
    editor.constant("w_scale", "float32", [rows], new Float32Array(rows).fill(1)),
    editor.constant("w_zero_point", "int8", [rows], new Int8Array(rows)),
  ], { axis: 0 });
  editor.append(editor.node("product", "Gemm", [x, w], ["y"], { transB: 1 }));
  editor.apply();
  return model.toBytes();
}

/**
 * Whether the integer kernels of this processor add pairs of products in 16 bits, where they can overflow,
 * as those for x64 without 8-bit dot products do. onnxruntime has slower ones that do not, and an
 * option for them, which it heeds on every x64 processor; so the fast ones are tried first.
 *
 * @param where opens the errors.
 */
export async function sums16Bits(where: string, ort: Ort): Promise<boolean> {
  const { columns, input, weight } = PROBE;
  const session = await ort.InferenceSession.create(await probe(where), sessionOptions(false));
  const x = new ort.Tensor("float32", new Float32Array(columns).fill(input), [1, columns]);
  const sums = (await session.run({ x }, { y: null })).y.data as Float32Array;
  await session.release();
  return sums.some((sum) => sum !== columns * input * weight);
}
