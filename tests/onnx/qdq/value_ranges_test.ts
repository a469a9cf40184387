import { assertEquals } from "@std/assert";
import { GraphFacts } from "../../../lib/onnx/qdq/graph_facts.ts";
import { neededRanges, observedValues } from "../../../lib/onnx/qdq/value_ranges.ts";
import { floats, ints, node, smallModel } from "../small_models.ts";

/** The facts of a graph that reads `x`, of 4 by 8, and has a few indices at hand. */
function facts(nodes: ReturnType<typeof node>[], outputs: string[]): GraphFacts {
  const { graph } = smallModel({
    opset: 17,
    nodes,
    constants: [
      ints("zero", [0]),
      ints("two", [2]),
      ints("shape", [8, 4]),
      floats("far", [], [-1e9]),
    ],
    inputs: { x: ["float32", 4, 8], z: ["float32", 4, 8], mask: ["bool", 4, 8] },
    outputs,
  });
  return new GraphFacts(graph);
}

const narrow = { min: -1, max: 2 };
const wide = { min: -100, max: 300 };

Deno.test("of a value from which parts are picked, only the parts are observed", () => {
  const graph = facts([
    node("Slice", ["x", "zero", "two"], ["s"]),
    node("Reshape", ["s", "shape"], ["r"]),
    node("Sin", ["r"], ["y"]),
  ], ["y"]);
  assertEquals(observedValues(graph, ["x"]), ["s"]);
  const ranges = neededRanges(graph, (name) => name === "s" ? narrow : undefined);
  assertEquals(["x", "s", "r"].map((name) => ranges.get(name)), [narrow, narrow, narrow]);
});

Deno.test("who computes with a value or returns it needs the whole", () => {
  const graph = facts([
    node("Slice", ["x", "zero", "two"], ["s"]),
    node("Sin", ["x"], ["y"]),
  ], ["s", "y"]);
  assertEquals(observedValues(graph, ["x", "s"]), ["x", "s"]);
  const ranges = neededRanges(graph, (name) => name === "x" ? wide : narrow);
  assertEquals(["x", "s"].map((name) => ranges.get(name)), [wide, narrow]);
});

Deno.test("Where and Concat need of their inputs what their output needs, and no more than there is", () => {
  const graph = facts([
    node("Where", ["mask", "x", "far"], ["w"]),
    node("Concat", ["w", "z"], ["c"], { axis: { i: 0 } }),
    node("ReduceMax", ["c"], ["m"], { axes: { ints: [0] } }),
    node("Sin", ["m"], ["y"]),
  ], ["y"]);
  const seen = new Map(
    Object.entries({ x: wide, w: { min: -1e9, max: 300 }, z: narrow, m: { min: 0, max: 50 } }),
  );
  const ranges = neededRanges(graph, (name) => seen.get(name));
  assertEquals(ranges.get("w"), { min: 0, max: 50 });
  assertEquals(ranges.get("x"), { min: 0, max: 50 });
  assertEquals(ranges.get("z"), { min: 0, max: 2 });
});

Deno.test("what a Clip cuts off is of no use before it", () => {
  const graph = facts([node("Relu", ["x"], ["r"]), node("Sin", ["r"], ["y"])], ["y"]);
  assertEquals(observedValues(graph, ["x"]), ["r"]);
});
