/** What a model computes but for the numbers in it. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { structureOf } from "../../../lib/onnx/graph/structure.ts";
import { floats, node, smallModel } from "../small_models.ts";

/** Two operators, the second of a constant, by names of their values. */
function chain(
  { middle = "m", opType = "Add", value = 1, size = 4, reads = "" } = {},
): string {
  return structureOf(smallModel({
    opset: 17,
    nodes: [node("Relu", ["x"], [middle]), node(opType, [reads || middle, "c"], ["y"])],
    constants: [floats("c", [size], Array.from({ length: size }, () => value))],
    inputs: { x: ["float32", 1, 4] },
    outputs: ["y"],
  }));
}

Deno.test("structureOf: names and numbers do not count, operators, shapes and who reads whom do", () => {
  assertEquals(chain({ middle: "other", value: 2 }), chain());
  for (const other of [{ opType: "Mul" }, { size: 1 }, { reads: "x" }]) {
    assertNotEquals(chain(other), chain());
  }
});
