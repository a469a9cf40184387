/**
 * Products of bytes with one number: the same bytes, with another scale.
 *
 * As the division by 6 of a HardSwish in its parts, where something stands between it and the convolution whose weights
 * could take it in.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount, readTensor, tensorDims, tensorType } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";

/** Operators whose kernels for bytes take inputs of any scale; others hand bytes on. */
const ANY_SCALE = ["Add", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "Mul"];
/** The scale that was chosen for the product is the same, up to what choosing a range is off. */
const ALIKE = 1.02;

/** The one number of a constant, in bytes or not. */
function numberOf(editor: GraphEditor, value: string): number | undefined {
  const maker = editor.view.producer(value);
  if (maker && isOp(maker, "DequantizeLinear")) {
    const parts = maker.input.map((name) => numberOf(editor, name));
    const [integer, scale, zero = 0] = parts;
    const known = parts.length > 1 && parts.every((part) => part !== undefined);
    return known ? Math.fround((integer! - zero) * scale!) : undefined;
  }
  const tensor = editor.constantTensor(value);
  if (!tensor || elementCount(tensorDims(tensor)) !== 1) return undefined;
  return Number(readTensor(tensor).data[0]);
}

/** What a node multiplies with, and the value that it does so with, if it is a number above 0. */
function factorOf(editor: GraphEditor, { opType, input }: NodeProto) {
  for (const i of opType === "Mul" ? [1, 0] : [1]) {
    const factor = numberOf(editor, input[i]);
    if (factor === undefined || !(factor > 0) || factor === Infinity) continue;
    return { value: input[1 - i], factor: opType === "Mul" ? factor : 1 / factor };
  }
}

/**
 * Takes such products out of a quantized graph.
 *
 * @param model is changed.
 */
export function factorScales({ graph, messages }: OnnxModel): void {
  const editor = new GraphEditor(graph, messages);
  const { view } = editor;
  for (const node of graph.node) {
    if (!isOp(node, "Mul", "Div")) continue;
    const found = factorOf(editor, node);
    const from = found && view.producer(found.value);
    const to = view.onlyReader(node.output[0]);
    if (!from || !to || !isOp(from, "DequantizeLinear") || !isOp(to, "QuantizeLinear")) continue;
    const [bytes, scale, zero = ""] = from.input;
    const own = numberOf(editor, scale);
    const chosen = numberOf(editor, to.input[1]);
    if (own === undefined || chosen === undefined || editor.constantTensor(bytes)) continue;
    const made = Math.fround(own * found.factor);
    const [type, toType] = [zero, to.input[2] ?? ""].map((name) => {
      const tensor = editor.constantTensor(name);
      return tensor && tensorType(tensor);
    });
    const sameType = type !== undefined && type === toType;
    if (!sameType || made > chosen * ALIKE || made < chosen / ALIKE) continue;
    const uses = view.uses(to.output[0]);
    const readers = uses.flatMap((use) =>
      use.kind === "input" && isOp(use.node, "DequantizeLinear") ? [use.node] : []
    );
    const free = readers.every(({ output }) =>
      view.uses(output[0]).every((use) => use.kind === "input" && isOp(use.node, ...ANY_SCALE))
    );
    if (readers.length !== uses.length || !free) continue;
    const name = editor.constant(`${node.output[0]}_scale`, "float32", [], [made]);
    for (const reader of readers) reader.input = [bytes, name, zero];
    const unread = view.onlyReader(found.value) === node ? [from] : [];
    editor.remove([node, to, ...unread]);
  }
  editor.apply();
}
