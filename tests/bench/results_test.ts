import { assert, assertEquals } from "@std/assert";
import { markdownTable, withSection, wrapped } from "../../bench/results.ts";
import { Table } from "../../mod.ts";

Deno.test("a rerun replaces its adapter's section and leaves the others alone", () => {
  const first = withSection("", "GPU", "- one\n\n### Targets\n\nold");
  const both = withSection(first, "GPU 2", "- two");
  assert(both.includes("old\n\n## GPU 2\n\n- two\n"));
  const again = withSection(both, "GPU", "- three");
  assert(again.startsWith("# Results\n"));
  assertEquals(again.match(/^## .*$/gm), ["## GPU", "## GPU 2"]);
  assert(again.includes("## GPU\n\n- three\n\n## GPU 2\n\n- two\n"));
  assert(!again.includes("old"));
  assertEquals(withSection(again, "GPU", "- three"), again);
});

Deno.test("Markdown tables align numbers to the right and leave missing cells empty", () => {
  const table = new Table([{ name: "a", ms: "1.5", ratio: "2.00 ×" }, { name: "bcde" }]);
  assertEquals(
    markdownTable(table),
    [
      "| name |  ms |  ratio |",
      "| ---- | --: | -----: |",
      "| a    | 1.5 | 2.00 × |",
      "| bcde |     |        |",
    ].join("\n"),
  );
});

Deno.test("paragraphs are wrapped as deno fmt wraps them", () => {
  const lines = wrapped(`- ${"word ".repeat(40).trim()}`, "  ").split("\n");
  assertEquals(lines.length, 3);
  assert(lines.every((line) => line.length <= 100));
  assert(lines[0].length + " word".length > 100);
  assert(lines.slice(1).every((line) => line.startsWith("  word")));
  const code = "`not to be broken`";
  assertEquals(wrapped(`${"x".repeat(90)} ${code} y`), `${"x".repeat(90)}\n${code} y`);
});
