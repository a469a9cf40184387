import { assertEquals } from "@std/assert";
import type { Notebook } from "../../scripts/clean.ts";
import { withoutPrelude, withPrelude } from "../../scripts/execute.ts";

Deno.test("withoutPrelude takes the prelude out of an executed notebook", () => {
  /** Cells as executed, the first code cell being the n-th that ran. */
  const notebook = (n: number): Notebook => ({
    metadata: {},
    cells: [
      { cell_type: "markdown", metadata: {}, source: "# Title" },
      {
        cell_type: "code",
        metadata: {},
        source: "42",
        execution_count: n,
        outputs: [
          { output_type: "stream", name: "stdout", text: "\n" },
          { output_type: "execute_result", execution_count: n, data: { "text/plain": "42" } },
        ],
      },
    ],
  });
  const executed = withPrelude(notebook(2));
  assertEquals(executed.cells.length, 3);
  assertEquals(withoutPrelude(executed), notebook(1));
});
