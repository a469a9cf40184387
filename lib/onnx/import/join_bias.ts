import type { GraphProto, NodeProto } from "../file/proto.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { GraphView } from "../graph/graph_view.ts";
import { isOp } from "../graph/operator.ts";

/**
 * Products with a constant matrix whose result is only read by the sum with a constant row: how PyTorch writes a
 * Linear whose input has more than two dimensions. Both together are one layer.
 */
export class JoinedBiases {
  private readonly biases = new Map<NodeProto, string>();
  private readonly outputs = new Map<NodeProto, readonly string[]>();
  private readonly parts = new Set<NodeProto>();

  /** Finds those of a graph. */
  constructor(graph: GraphProto) {
    const view = new GraphView(graph);
    const dimsOf = (name: string) => {
      const tensor = view.isConstant(name) ? view.initializer(name) : undefined;
      return tensor && tensorDims(tensor);
    };
    for (const product of graph.node) {
      const weight = isOp(product, "MatMul") && dimsOf(product.input[1]);
      const sum = weight && weight.length === 2 && view.onlyReader(product.output[0]);
      if (!sum || !isOp(sum, "Add") || view.isOutput(product.output[0])) continue;
      const bias = sum.input.find((name) => name !== product.output[0]);
      const dims = bias === undefined ? undefined : dimsOf(bias);
      if (dims?.length !== 1 || dims[0] !== weight[1]) continue;
      this.biases.set(product, bias!);
      this.outputs.set(product, sum.output);
      this.parts.add(sum);
    }
  }

  /** Whether a node is part of the one before it. */
  isPart(node: NodeProto): boolean {
    return this.parts.has(node);
  }

  /** The constant that is added to what a node makes. */
  biasOf(node: NodeProto): string | undefined {
    return this.biases.get(node);
  }

  /** The values that a node makes together with what is part of it. */
  outputsOf(node: NodeProto): readonly string[] {
    return this.outputs.get(node) ?? node.output;
  }
}
