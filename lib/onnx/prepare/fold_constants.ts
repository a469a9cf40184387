import type { NodeProto, TensorProto } from "../file/proto.ts";
import { bitsOf } from "../file/data_type.ts";
import { isOp } from "../graph/operator.ts";
import { newModel } from "../graph/new_model.ts";
import { OnnxRuntime } from "../run/runtime.ts";
import { subgraphs } from "../file/subgraphs.ts";
import { tensorByteSize } from "../file/tensor_data.ts";
import type { GraphTools } from "./graph_tools.ts";

/** Operators whose result is not the same each time, or that stand between integers and floats on purpose. */
const KEPT = [
  "Bernoulli",
  "Constant",
  "DequantizeLinear",
  "Multinomial",
  "QuantizeLinear",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
];

/** Bytes that a result may take beyond what it is made from. */
const GROWTH = 1 << 16;

/** Nodes that read nothing but constants and other such nodes, in order. */
function constantNodes(tools: GraphTools): NodeProto[] {
  const { editor: { graph }, facts, view } = tools;
  const bytes = new Map<string, number>();
  const sizeOf = (name: string): number | undefined => {
    const known = name === "" ? 0 : bytes.get(name);
    if (known !== undefined) return known;
    const constant = view.isConstant(name) ? facts.constant(name) : undefined;
    return constant && tensorByteSize(constant);
  };
  return graph.node.filter((node) => {
    if (!isOp(node) || KEPT.includes(node.opType) || subgraphs(node).length) {
      return false;
    }
    const read = node.input.map(sizeOf);
    if (read.some((size) => size === undefined)) return false;
    const made = node.output.filter(Boolean).map((name) => {
      // What the file states of a size may be far from what a node really makes.
      const [dims, dtype] = [facts.toldDims(name), facts.dtype(name)];
      const count = dims?.reduce((count, size) => count! * (size ?? NaN), 1) ?? NaN;
      return dtype && dtype !== "string" ? Math.ceil(count * bitsOf(dtype) / 8) : NaN;
    });
    const sum = (sizes: readonly (number | undefined)[]) =>
      sizes.reduce<number>((total, size) => total + size!, 0);
    // Not true for NaN, which stands for a size that is not known.
    if (!(sum(made) <= sum(read) + GROWTH)) return false;
    node.output.filter(Boolean).forEach((name, i) => bytes.set(name, made[i]));
    return true;
  });
}

/**
 * Computes what depends on constants alone with onnxruntime, and keeps the results as constants. Results that
 * would make the file much bigger are left to be computed.
 *
 * @param where opens the errors.
 * @returns whether there was something.
 */
export async function foldConstants(where: string, tools: GraphTools): Promise<boolean> {
  const { editor, view, facts } = tools;
  const { graph, messages } = editor;
  const folded = new Set(constantNodes(tools));
  const made = [...folded].flatMap(({ output }) => output.filter(Boolean));
  const needed = made.filter((name) =>
    view.uses(name).some((use) => use.kind === "output" || !folded.has(use.node))
  );
  if (!needed.length) return false;
  const read = new Set([...folded].flatMap(({ input }) => input));
  const constants = newModel(messages, {
    name: "constants",
    opset: tools.opset,
    node: [...folded],
    initializer: graph.initializer.filter(({ name }) => read.has(name)),
    output: needed.map((name) => messages.valueInfo(name, facts.dtype(name)!)),
  });
  await using runtime = await OnnxRuntime.open(where, constants, { optimization: "disabled" });
  const results = await runtime.run({});
  const tensors: TensorProto[] = needed.map((name) => {
    const { type, dims, data } = results[name];
    return messages.tensor(name, type, dims, data);
  });
  graph.initializer.push(...tensors);
  editor.remove(folded);
  return true;
}
