import { assertEquals } from "@std/assert";
import { clean, type Notebook } from "../../scripts/clean.ts";

/** A notebook as an execution at some time leaves it, its stream cut in some way. */
function executed(time: string, version: string, ...pieces: string[]): Notebook {
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: "deno", display_name: "Deno", language: "typescript" },
      language_info: { name: "typescript", version },
    },
    cells: [
      { id: "title", cell_type: "markdown", metadata: {}, source: "# Title" },
      {
        id: "code",
        cell_type: "code",
        execution_count: 1,
        metadata: { tags: ["plot"], execution: { "iopub.execute_input": time } },
        source: "run()",
        outputs: [
          ...pieces.map((text) => ({ output_type: "stream", name: "stdout", text })),
          { output_type: "stream", name: "stderr", text: "warned\n" },
        ],
      },
    ],
  };
}

Deno.test("clean makes two executions of one notebook alike", () => {
  const first = clean(executed("09:00", "6.0.3", "one\n", "two\n"));
  assertEquals(first, clean(executed("10:00", "6.1.0", "one\ntw", "o\n")));
  const [title, code] = first.cells;
  assertEquals(title, executed("", "").cells[0]);
  assertEquals(code.metadata, { tags: ["plot"] });
  assertEquals(code.outputs, [
    { output_type: "stream", name: "stdout", text: ["one\n", "two\n"] },
    { output_type: "stream", name: "stderr", text: "warned\n" },
  ]);
});
