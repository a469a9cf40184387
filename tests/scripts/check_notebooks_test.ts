import { assertEquals } from "@std/assert";
import { pasted } from "../../scripts/check_notebooks.ts";

Deno.test("the code of a notebook becomes one file whose imports hold elsewhere", () => {
  const cells = [
    { cell_type: "markdown", metadata: {}, source: ["# Title"] },
    { cell_type: "code", metadata: {}, source: ['import { a } from "../lib/a.ts";\n', "a;"] },
    { cell_type: "code", metadata: {}, source: 'import { b } from "package";' },
  ];
  assertEquals(
    pasted({ metadata: {}, cells }, "/house/notebooks"),
    'import { a } from "file:///house/lib/a.ts";\na;\n\nimport { b } from "package";\n\nexport {};\n',
  );
});
