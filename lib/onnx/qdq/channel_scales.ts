/**
 * Products with a number for each channel, right before floats become bytes or right behind bytes that became floats:
 * these have a scale for each channel then, which costs nothing.
 *
 * @module
 */
import { setAttribute } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount, readTensor, tensorDims, tensorType } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";

/** The channels' axis: onnxruntime takes them one after the other, and those of the last axis are slow. */
const AXIS = 1;

/** The number for each channel that a product has, and what it multiplies. */
function factorsOf(editor: GraphEditor, { input }: NodeProto) {
  for (const [i, name] of input.entries()) {
    const tensor = editor.constantTensor(name);
    if (!tensor || tensorType(tensor) !== "float32") continue;
    const [count, ...behind] = tensorDims(tensor);
    const isVector = count > 1 && behind.length > 0 && behind.every((size) => size === 1);
    if (!isVector) continue;
    const factors = [...readTensor(tensor).data as Float32Array];
    const positive = factors.every((x) => x > 0 && Number.isFinite(x));
    if (positive) return { value: input[1 - i], factors, rank: behind.length + 2 };
  }
}

/** The parameters of a node that makes bytes or floats with one scale, times a factor for each channel. */
function scaled(
  editor: GraphEditor,
  { input: [, scale, zero = ""] }: NodeProto,
  factors: readonly number[],
  name: string,
): string[] | undefined {
  const [own, zeroPoint] = [scale, zero].map((each) => editor.constantTensor(each));
  if (!own || elementCount(tensorDims(own)) !== 1 || zero !== "" && !zeroPoint) return undefined;
  const step = Number(readTensor(own).data[0]);
  const scales = Float32Array.from(factors, (factor) => step * factor);
  if (!scales.every((x) => x > 0 && Number.isFinite(x))) return undefined;
  const { length } = factors;
  const made = [editor.constant(`${name}_scales`, "float32", [length], scales)];
  if (!zeroPoint) return made;
  const type = tensorType(zeroPoint);
  if (type !== "uint8" && type !== "int8") return undefined;
  const zeros = new Array<number>(length).fill(Number(readTensor(zeroPoint).data[0]));
  return [...made, editor.constant(`${name}_zero_points`, type, [length], zeros)];
}

/**
 * Whether a node has bytes on all sides, which onnxruntime computes with bytes then: its kernels have one scale for all
 * channels. A product with factors counts as what it is to be put into.
 */
function isAmongBytes({ view }: GraphEditor, factors: ReadonlySet<NodeProto>, node: NodeProto) {
  const is = (each: NodeProto | undefined, opType: string): boolean =>
    each !== undefined && (isOp(each, opType) || factors.has(each));
  const inputs = node.input.filter((value) => value !== "" && !view.isConstant(value));
  return inputs.length > 0 &&
    inputs.every((value) => is(view.producer(value), "DequantizeLinear")) &&
    node.output.every((value) =>
      view.uses(value).every((use) => use.kind === "input" && is(use.node, "QuantizeLinear"))
    );
}

/**
 * Takes such products out of a quantized graph.
 *
 * @param model is changed.
 * @param rankOf the number of dimensions of a product, if it is known.
 */
export function channelScales(
  { graph, messages }: OnnxModel,
  rankOf: (value: string) => number | undefined,
): void {
  const editor = new GraphEditor(graph, messages);
  const { view } = editor;
  const products = graph.node.flatMap((node) => {
    const found = isOp(node, "Mul") ? factorsOf(editor, node) : undefined;
    return found && found.rank === rankOf(node.output[0]) ? [{ node, ...found }] : [];
  });
  const all = new Set(products.map(({ node }) => node));
  for (const { node, value, factors } of products) {
    const [output] = node.output;
    const maker = view.producer(value);
    if (!maker) continue;
    const to = view.onlyReader(output);
    if (to && isOp(to, "QuantizeLinear") && to.input[0] === output) {
      const among = isOp(maker, "DequantizeLinear") || isAmongBytes(editor, all, maker);
      const params = among ? undefined : scaled(editor, to, factors.map((x) => 1 / x), output);
      if (!params) continue;
      to.input = [value, ...params];
      setAttribute(messages, to, "axis", { i: AXIS });
      editor.remove([node]);
      continue;
    }
    if (!isOp(maker, "DequantizeLinear") || editor.constantTensor(maker.input[0])) continue;
    if (view.consumers(output).some((reader) => isAmongBytes(editor, all, reader))) continue;
    const params = scaled(editor, maker, factors, output);
    if (!params) continue;
    const floats = editor.node(
      node.name,
      "DequantizeLinear",
      [maker.input[0], ...params],
      [output],
      {
        axis: { i: AXIS },
      },
    );
    editor.replace(node, floats);
    if (view.onlyReader(value) === node) editor.remove([maker]);
  }
  editor.apply();
}
