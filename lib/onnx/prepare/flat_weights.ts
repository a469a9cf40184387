import { isOp } from "../graph/operator.ts";
import type { Pass } from "./graph_tools.ts";

/**
 * Makes matrices of the constants that MatMul multiplies with where these have dimensions of 1 before: integer
 * kernels have a scale for each column of a matrix only. A result keeps its dimensions.
 */
export const flatWeights: Pass = (tools) => {
  const { editor, facts } = tools;
  let found = false;
  for (const node of editor.graph.node) {
    if (!isOp(node, "MatMul")) continue;
    const weight = tools.floats(node.input[1]);
    const rank = facts.dims(node.input[0])?.length ?? 0;
    if (!weight || weight.dims.length < 3 || rank === 0) continue;
    const [stack, matrix] = [weight.dims.slice(0, -2), weight.dims.slice(-2)];
    if (stack.some((size) => size !== 1)) continue;
    editor.replaceConstant(node, 1, "float32", matrix, weight.data);
    const missing = weight.dims.length - Math.max(rank, 2);
    if (missing > 0) {
      const [output] = node.output;
      node.output[0] = editor.name(`${output}/product`);
      const axes = Array.from({ length: missing }, (_, i) => i);
      const given = editor.constant("axes", "int64", [missing], axes);
      editor.insertAfter(
        node,
        editor.node(`${output}/Unsqueeze`, "Unsqueeze", [node.output[0], given], [output]),
      );
    }
    found = true;
  }
  return found;
};
