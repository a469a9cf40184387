import { assertEquals } from "@std/assert";
import { testsOf } from "../../scripts/changed.ts";

const there = new Set([
  "tests/data",
  "tests/onnx",
  "tests/onnx/qdq",
  "tests/scripts",
  "tests/data/npy_test.ts",
]);
const exists = (path: string) => there.has(path);

Deno.test("tests mirror sources", () => {
  assertEquals(testsOf("lib/data/npy.ts", exists), "tests/data");
  assertEquals(testsOf("lib/onnx/qdq/insert.ts", exists), "tests/onnx/qdq");
  assertEquals(testsOf("scripts/changed.ts", exists), "tests/scripts");
});

Deno.test("a folder without tests of its own is tested by those right in the one above", () => {
  assertEquals(testsOf("lib/onnx/import/graph.ts", exists), "tests/onnx/*_test.ts");
});

Deno.test("a test is its own, a helper of tests stands for its folder", () => {
  assertEquals(testsOf("tests/data/npy_test.ts", exists), "tests/data/npy_test.ts");
  assertEquals(testsOf("tests/data/removed_test.ts", exists), undefined);
  assertEquals(testsOf("tests/data/files.ts", exists), "tests/data");
});

Deno.test("what is no source has no tests", () => {
  for (const path of ["README.md", "mod.ts", "tests/testdata/a.json", "docs/a.svg"]) {
    assertEquals(testsOf(path, exists), undefined, path);
  }
});
