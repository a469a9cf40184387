import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { attributeOf } from "../file/attributes.ts";
import { definedValues, subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { type GraphEditor, renameReads } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";

/** Those whose second input is a weight. */
const WEIGHTED = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

/**
 * Makes the weights that graphs inside of nodes hold themselves constants of the graph around all of them, which
 * those can read as well. Their values get names that no other graph has.
 */
export function hoistInnerWeights(editor: GraphEditor): void {
  const { graph } = editor;
  const inner = graph.node.flatMap(subgraphs).flatMap((each) => [...walkGraphs(each)]);
  if (inner.length === 0) return;
  const owners = new Map<string, number>();
  for (const each of [graph, ...inner]) {
    for (const name of definedValues(each)) owners.set(name, (owners.get(name) ?? 0) + 1);
  }
  for (const each of inner) {
    const weights = takeWeights(each);
    const renamed = new Map<string, string>();
    for (const tensor of weights) {
      if (owners.get(tensor.name) === 1) continue;
      const name = editor.name(tensor.name);
      renamed.set(tensor.name, name);
      tensor.name = name;
    }
    graph.initializer.push(...weights);
    if (renamed.size === 0) continue;
    for (const node of each.node) renameReads(node, (name) => renamed.get(name) ?? name);
  }
}

/** Takes the constants that weighted nodes read out of their graph. */
function takeWeights(graph: GraphProto): TensorProto[] {
  const read = new Set(
    graph.node.filter((node) => isOp(node, ...WEIGHTED)).map(({ input }) => input[1]),
  );
  for (const { name } of [...graph.input, ...graph.output]) read.delete(name);
  const weights = graph.initializer.filter(({ name }) => read.has(name));
  graph.initializer = graph.initializer.filter(({ name }) => !read.has(name));
  graph.node = graph.node.filter((node) => {
    const tensor = read.has(node.output[0]) ? constantOf(node) : undefined;
    if (tensor) weights.push(tensor);
    return !tensor;
  });
  return weights;
}

/** The tensor of a Constant node, named as its value. */
function constantOf(node: NodeProto): TensorProto | undefined {
  const tensor = isOp(node, "Constant") ? attributeOf(node, "value")?.t : undefined;
  if (tensor) tensor.name = node.output[0];
  return tensor;
}
