import { isOp } from "../graph/operator.ts";
import type { Pass } from "./graph_tools.ts";

/**
 * Writes HardSwish as ONNX defines it, `x · HardSigmoid(x)`, as onnxruntime does too: for both there are integer kernels,
 * for it there is none.
 */
export const unfoldHardSwish: Pass = ({ editor }) => {
  let found = false;
  for (const node of editor.graph.node) {
    if (!isOp(node, "HardSwish")) continue;
    const [input] = node.input;
    const [output] = node.output;
    const gate = editor.name(`${output}/HardSigmoid`);
    const attributes = { alpha: { f: 1 / 6 }, beta: { f: 0.5 } };
    editor.replace(node, editor.node(gate, "HardSigmoid", [input], [gate], attributes), node);
    node.opType = "Mul";
    node.input = [input, gate];
    found = true;
  }
  return found;
};
