import { assert, assertEquals } from "@std/assert";
import { basename } from "node:path";
import type { Notebook } from "../../scripts/clean.ts";
import { notebooks } from "../../scripts/paths.ts";

const MOST_LINES = 30;

/** Cells as the file holds them. */
interface Cell {
  readonly cell_type: string;
  readonly source: readonly string[];
  readonly execution_count?: number | null;
  readonly outputs?: readonly { output_type: string; data?: Record<string, unknown> }[];
}

for (const path of notebooks()) {
  const name = basename(path);
  const cells = JSON.parse(Deno.readTextFileSync(path))
    .cells as Notebook["cells"] as never as Cell[];
  const code = cells.filter(({ cell_type }) => cell_type === "code");

  Deno.test(`${name}: no cell is longer than a reader's patience`, () => {
    for (const { source } of code) assert(source.length <= MOST_LINES, source.join(""));
  });

  Deno.test(`${name}: it is saved as it was executed, from the first cell to the last`, () => {
    assertEquals(
      code.map(({ execution_count }) => execution_count),
      code.map((_, i) => i + 1),
    );
    const outputs = code.flatMap(({ outputs = [] }) => outputs);
    assert(outputs.every(({ output_type }) => output_type !== "error"));
  });

  Deno.test(`${name}: its pictures come as SVG too`, () => {
    const data = code.flatMap(({ outputs = [] }) =>
      outputs.flatMap(({ data }) => data ? [data] : [])
    );
    const pictures = data.filter((each) => String(each["text/plain"]).startsWith("Figure: "));
    assert(pictures.length > 0);
    for (const each of pictures) assert("image/svg+xml" in each, String(each["text/plain"]));
  });
}
