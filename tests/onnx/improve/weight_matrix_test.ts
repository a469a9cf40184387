import { assertEquals } from "@std/assert";
import { weightedNode } from "../../../lib/onnx/calibration/statistics/places.ts";
import { groupRows, weightLayout } from "../../../lib/onnx/improve/weight_matrix.ts";
import { GraphFacts } from "../../../lib/onnx/qdq/graph_facts.ts";
import { floats, node, type SmallModel, smallModel } from "../small_models.ts";

/** The rows of the first node's weight, by groups. */
function rowsOf(
  first: SmallModel["nodes"][number],
  dims: readonly number[],
  shape: readonly number[],
): number[][] | undefined {
  const size = dims.reduce((a, b) => a * b, 1);
  const { graph } = smallModel({
    opset: 17,
    nodes: [first],
    constants: [floats("w", dims, Array.from({ length: size }, (_, i) => i))],
    inputs: { x: ["float32", ...shape] },
    outputs: ["y"],
  });
  const facts = new GraphFacts(graph);
  const layer = weightedNode(facts, graph.node[0])!;
  const weight = facts.constant("w")!;
  const layout = weightLayout(layer, weight);
  return layout &&
    Array.from({ length: layout.groups }, (_, g) => [...groupRows(weight.data, layout, g)]);
}

Deno.test("a weight has a row for each output, however it lies", () => {
  assertEquals(rowsOf(node("MatMul", ["x", "w"], ["y"]), [2, 3], [1, 2]), [[0, 3, 1, 4, 2, 5]]);
  assertEquals(rowsOf(node("Gemm", ["x", "w"], ["y"]), [2, 3], [1, 2]), [[0, 3, 1, 4, 2, 5]]);
  const turned = node("Gemm", ["x", "w"], ["y"], { transB: { i: 1 } });
  assertEquals(rowsOf(turned, [3, 2], [1, 2]), [[0, 1, 2, 3, 4, 5]]);
  const grouped = node("Conv", ["x", "w"], ["y"], { group: { i: 2 } });
  assertEquals(rowsOf(grouped, [2, 1, 1, 2], [1, 2, 1, 4]), [[0, 1], [2, 3]]);
});

Deno.test("stacks of matrices and transposed convolutions have no rows of outputs", () => {
  assertEquals(rowsOf(node("MatMul", ["x", "w"], ["y"]), [2, 2, 2], [2, 1, 2]), undefined);
  assertEquals(
    rowsOf(node("ConvTranspose", ["x", "w"], ["y"]), [2, 2, 1, 1], [1, 2, 3, 3]),
    undefined,
  );
});
