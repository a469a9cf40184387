import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Table } from "../../mod.ts";
import { formatBytes, formatNumber, formatShare } from "../../lib/plot/format.ts";

Deno.test("a table aligns its columns as text", () => {
  const table = new Table([{ model: "float", bytes: 940584 }, { model: "uint8", bytes: 241080 }], {
    title: "Size",
    note: "in all",
  });
  assertEquals(
    String(table),
    [
      "Size",
      "model    bytes",
      "float  940,584",
      "uint8  241,080",
      "in all",
    ].join("\n"),
  );
});

Deno.test("a table escapes what it holds, and leaves missing cells empty", () => {
  const table = new Table([{ "<a>": "<b>&" }, { c: true }], { title: "<t>", note: "<n>" });
  assertEquals(table.html.match(/<(?!\/?(div|table|thead|tbody|tr|th|td)\b)/g), null);
  assert(table.html.includes("&lt;b&gt;&amp;"));
  assertEquals(table.cells, [["<b>&", ""], ["", "yes"]]);
});

Deno.test("a note of several lines has them in HTML too", () => {
  const table = new Table([{ a: 1 }], { note: "first\n<second>" });
  assert(table.html.includes("first<br>&lt;second&gt;"));
  assert(String(table).endsWith("first\n<second>"));
});

Deno.test("numbers are written for people", () => {
  assertEquals(
    [0, 12345, -1.5, 0.0324719, 0.00001234, 1 / 0, -1 / 0, NaN].map(formatNumber),
    ["0", "12,345", "−1.5", "0.03247", "1.234e−5", "∞", "−∞", "NaN"],
  );
  assertEquals([0, 1023, 1024, 940584, 2 ** 30].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "919 KiB",
    "1.0 GiB",
  ]);
  assertEquals([[0, 5], [1, 3], [1, 1e6], [0, 0]].map(([a, b]) => formatShare(a, b)), [
    "0 %",
    "33.33 %",
    "< 0.01 %",
    "0 %",
  ]);
});

Deno.test("what steers a terminal is spelled out, in cells, columns, title and note", () => {
  const evil = "a\x1b[2J\u202eb\nc";
  const table = new Table([{ [evil]: evil }], { title: "t\x9b", note: "n\x07" });
  assertEquals(
    String(table),
    [
      "t\\u009b",
      "a\\u001b[2J\\u202eb\\u000ac",
      "a\\u001b[2J\\u202eb\\u000ac",
      "n\\u0007",
    ].join("\n"),
  );
});

Deno.test("a share below what is written stands among numbers", () => {
  const { html } = new Table([{ clipped: "< 0.01 %" }, { clipped: "12.30 %" }]);
  assertStringIncludes(html, `<td style="text-align:right`);
});

Deno.test("columns of Chinese text are aligned too", () => {
  const table = new Table([{ "模型": "浮点", "字节": 12 }, { "模型": "int8", "字节": 3 }]);
  assertEquals(String(table).split("\n"), ["模型  字节", "浮点    12", "int8     3"]);
});

Deno.test("a table that is too wide goes on in lines below, words whole and numbers in their columns", () => {
  const table = new Table([
    {
      operator: "Add",
      nodes: 107,
      "why not": "nothing that reads its output computes in integers",
    },
    { operator: "BatchNormalization", nodes: 6, "why not": "" },
  ], { note: "a note that is longer than the table may be wide" });
  assertEquals(table.toText(44).split("\n"), [
    "operator            nodes  why not",
    "Add                   107  nothing that",
    "                           reads its output",
    "                           computes in",
    "                           integers",
    "BatchNormalization      6",
    "a note that is longer than the table may be",
    "wide",
  ]);
  assertEquals(table.toText(1000), String(table));
  // Where words are too long, they are cut.
  const long = new Table([{ name: "x".repeat(30), n: 1 }]);
  assertEquals(long.toText(16).split("\n")[1], `${"x".repeat(13)}  1`);
});
