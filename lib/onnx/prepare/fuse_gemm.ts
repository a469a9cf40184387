import { isOp, type Pass, removeNodes, withConstant } from "./graph_tools.ts";

/** Makes Gemm of a product of matrices with a constant and the bias after it. */
export const fuseGemm: Pass = (tools) => {
  const { graph, facts, messages } = tools;
  for (const end of graph.node) {
    const sum = isOp(end, "Add") ? withConstant(end, (name) => tools.floats(name)) : undefined;
    const product = tools.private(sum?.value, "MatMul");
    const weight = product && tools.floats(product.input[1]);
    if (!weight || weight.dims.length !== 2) continue;
    const { dims } = sum!.constant;
    const bias = dims.length === 1 && dims[0] === weight.dims[1];
    if (!bias || facts.dims(product.input[0])?.length !== 2) continue;
    const gemm = messages.node({
      opType: "Gemm",
      name: tools.name(product.name || `${end.output[0]}/Gemm`),
      input: [...product.input, sum!.constant.name],
      output: [end.output[0]],
    });
    graph.node = graph.node.flatMap((node) => node === end ? [gemm] : [node]);
    removeNodes(graph, new Set([product]));
    return true;
  }
  return false;
};
