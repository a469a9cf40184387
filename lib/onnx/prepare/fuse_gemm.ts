import { isOp } from "../graph/operator.ts";
import { type Pass, withConstant } from "./graph_tools.ts";

/** Makes Gemm of a product of matrices with a constant and the bias after it. */
export const fuseGemm: Pass = (tools) => {
  const { editor, facts } = tools;
  let found = false;
  for (const end of editor.graph.node) {
    const sum = isOp(end, "Add") ? withConstant(end, (name) => tools.floats(name)) : undefined;
    const product = tools.private(sum?.value, "MatMul");
    const weight = product && tools.floats(product.input[1]);
    if (!weight || weight.dims.length !== 2) continue;
    const { constant: { dims }, index } = sum!;
    const bias = dims.length === 1 && dims[0] === weight.dims[1];
    if (!bias || facts.dims(product.input[0])?.length !== 2) continue;
    const name = product.name || `${end.output[0]}/Gemm`;
    const input = [...product.input, end.input[index]];
    editor.replace(end, editor.node(name, "Gemm", input, [end.output[0]]));
    editor.remove([product]);
    found = true;
  }
  return found;
};
