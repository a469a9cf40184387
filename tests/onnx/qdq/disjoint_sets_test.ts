import { assertEquals } from "@std/assert";
import { DisjointSets } from "../../../lib/onnx/qdq/disjoint_sets.ts";

Deno.test("names that were joined, one by one or as groups, are called the same", () => {
  const groups = new DisjointSets();
  groups.add("alone");
  groups.join("a", "b");
  groups.join("c", "d");
  groups.join("b", "d");
  groups.add("a");
  const names = groups.names();
  assertEquals([...names.keys()].sort(), ["a", "alone", "b", "c", "d"]);
  assertEquals(new Set(["a", "b", "c", "d"].map((name) => names.get(name))).size, 1);
  assertEquals(names.get("alone"), "alone");
  assertEquals([groups.has("d"), groups.has("e")], [true, false]);
});
