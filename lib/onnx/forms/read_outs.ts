/**
 * Layers that a model's outputs are read off by.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { tensorDims } from "../file/tensor_data.ts";
import type { ShapeFacts } from "../graph/infer_shapes.ts";
import { isOp } from "../graph/operator.ts";
import type { EditedGraph } from "./graph_editors.ts";

/** The share of a model's products that read-outs may take. */
const MOST_WORK = 0.01;

/** The sizes of the weights of a layer that multiplies with constants, and how many outputs one row of inputs has. */
function weightOf(
  node: NodeProto,
  facts: ShapeFacts,
): { size: number; outputs: number } | undefined {
  const constants = [1, 2].map((i) => node.input[i] ? facts.constant(node.input[i]) : undefined);
  if (!constants[0]) return undefined;
  const [dims, second] = constants.map((tensor) => tensor ? tensorDims(tensor) : []);
  const size = (sizes: readonly number[]) => sizes.reduce((n, each) => n * each, 1);
  if (isOp(node, "MatMul", "Gemm")) {
    const columns = node.opType === "Gemm" ? facts.dims(node.output[0])?.at(-1) : dims.at(-1);
    return columns ? { size: size(dims), outputs: columns } : undefined;
  }
  if (isOp(node, "Conv")) return { size: size(dims), outputs: dims[0] };
  if (isOp(node, "ConvTranspose")) return { size: size(dims), outputs: dims[0] };
  if (!isOp(node, "LSTM", "GRU", "RNN") || second.length !== 3) return undefined;
  return { size: size(dims) + size(second), outputs: second[0] * second[2] };
}

/** Products that a layer adds up, where sizes that are left open count as 1; nothing if it has no weight. */
function workOf(node: NodeProto, facts: ShapeFacts): number | undefined {
  const weight = weightOf(node, facts);
  if (!weight) return undefined;
  // Each element that a transposed convolution reads is multiplied, of others each that they give.
  const [counted] = node.opType === "ConvTranspose" ? node.input : node.output;
  const elements = facts.dims(counted)?.reduce<number>((n, size) => n * (size ?? 1), 1);
  return weight.size * (elements === undefined ? 1 : Math.max(1, elements / weight.outputs));
}

/**
 * The layers from which outputs come without another in between, the last first, as long as they take a hundredth of
 * a model's products together. What rounding changes there no later layer makes even.
 */
export function cheapReadOuts({ graph, facts }: EditedGraph): ReadonlySet<NodeProto> {
  const works = new Map(graph.node.flatMap((node): [NodeProto, number][] => {
    const work = workOf(node, facts);
    return work === undefined ? [] : [[node, work]];
  }));
  const reached = new Set<NodeProto>();
  const open = graph.output.map(({ name }) => name);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const maker = facts.view.producer(name);
    if (!maker || reached.has(maker)) continue;
    reached.add(maker);
    if (!works.has(maker)) open.push(...maker.input.filter(Boolean));
  }
  let left = MOST_WORK * [...works.values()].reduce((sum, work) => sum + work, 0);
  const cheap = [...works].toReversed().filter(([node, work]) => {
    if (!reached.has(node) || work > left) return false;
    left -= work;
    return true;
  });
  return new Set(cheap.map(([node]) => node));
}
