import type { NodeProto } from "../file/proto.ts";
import { floatOf, intOf, setAttribute } from "../file/attributes.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { isOp } from "../graph/operator.ts";
import { perChannel } from "./fold_affine.ts";
import type { GraphTools, Pass } from "./graph_tools.ts";

/** A matrix, or what is broadcast to one, with rows and columns exchanged. */
function transposed({ dims, data }: FloatConstant): FloatConstant {
  const [rows, columns] = [dims.at(-2) ?? 1, dims.at(-1) ?? 1];
  const turned = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
  return { dims: [columns, rows], data: turned };
}

/**
 * Exchanges the factors of a Gemm whose first one is a constant, so that this is the second: a product is the
 * transpose of that of the transposes.
 */
function exchangeFactors(tools: GraphTools, node: NodeProto): boolean {
  const { editor } = tools;
  const [a, b, c] = node.input;
  const added = c ? tools.floats(c) : undefined;
  if (!tools.floats(a) || tools.floats(b) || c && !added) return false;
  const [transA, transB] = ["transA", "transB"].map((name) => intOf(node, name, 0));
  node.input.splice(0, 2, b, a);
  if (added) {
    const { dims, data } = transposed(added);
    editor.replaceConstant(node, 2, "float32", dims, data);
  }
  setAttribute(editor.messages, node, "transA", { i: transB ? 0 : 1 });
  setAttribute(editor.messages, node, "transB", { i: transA ? 0 : 1 });
  const [output] = node.output;
  node.output[0] = editor.name(`${output}/transposed`);
  const perm = { perm: { ints: [1, 0] } };
  editor.insertAfter(
    node,
    editor.node(`${output}/Transpose`, "Transpose", [node.output[0]], [output], perm),
  );
  return true;
}

/** Makes the factor of a product part of its weight; one that leaves float32 is better kept apart. */
function foldAlpha(tools: GraphTools, node: NodeProto, weight: FloatConstant): boolean {
  const alpha = floatOf(node, "alpha", 1);
  if (alpha === 1) return false;
  const data = weight.data.map((value) => value * alpha);
  if (!data.every(Number.isFinite)) return false;
  tools.editor.replaceConstant(node, 1, "float32", weight.dims, data);
  setAttribute(tools.editor.messages, node, "alpha", undefined);
  return true;
}

/** Makes a vector of what is added, one number a column; a sum of its own if it is not that. */
function plainBias(tools: GraphTools, node: NodeProto, columns: number): boolean {
  const { editor } = tools;
  const [, , bias] = node.input;
  if (!bias) return false;
  const beta = floatOf(node, "beta", 1);
  const constant = tools.floats(bias);
  const row = constant && perChannel(constant, Math.max(constant.dims.length, 2), columns);
  if (row && beta === 1 && constant.dims.length === 1 && constant.dims[0] === columns) return false;
  setAttribute(editor.messages, node, "beta", undefined);
  if (beta === 0) {
    node.input.length = 2;
  } else if (row) {
    editor.replaceConstant(
      node,
      2,
      "float32",
      [columns],
      Float32Array.from(row, (value) => value * beta),
    );
  } else {
    const [output] = node.output;
    const product = editor.name(`${output}/product`);
    const sum = editor.node(`${output}/Add`, "Add", [product, bias], [output]);
    const factor: NodeProto[] = [];
    if (constant) {
      const { dims, data } = constant;
      editor.replaceConstant(sum, 1, "float32", dims, data.map((value) => value * beta));
    } else if (beta !== 1) {
      sum.input[1] = editor.name(`${bias}/scaled`);
      const by = editor.constant("beta", "float32", [], Float32Array.of(beta));
      factor.push(editor.node(`${output}/Mul`, "Mul", [bias, by], [sum.input[1]]));
    }
    node.output[0] = product;
    node.input.length = 2;
    editor.insertAfter(node, ...factor, sum);
  }
  return true;
}

/**
 * Brings each Gemm with a constant factor into the form that integer kernels have: that factor is the second,
 * nothing is multiplied beside, and what is added is a vector.
 */
export const plainGemm: Pass = (tools) => {
  let found = false;
  for (const node of tools.editor.graph.node) {
    if (!isOp(node, "Gemm")) continue;
    if (exchangeFactors(tools, node)) {
      found = true;
      continue;
    }
    const weight = tools.floats(node.input[1]);
    if (weight?.dims.length !== 2) continue;
    const scaled = foldAlpha(tools, node, weight);
    const columns = weight.dims[intOf(node, "transB", 0) ? 0 : 1];
    const biased = plainBias(tools, node, columns);
    found ||= scaled || biased;
  }
  return found;
};
