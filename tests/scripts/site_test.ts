import { assertEquals, assertStringIncludes } from "@std/assert";
import { linkFrom, pageOf, pagePath } from "../../scripts/site.ts";
import { framed } from "../../scripts/site/frame.ts";
import { highlight } from "../../scripts/site/highlight.ts";
import { markdownHtml, slug } from "../../scripts/site/markdown.ts";
import { notebookHtml } from "../../scripts/site/notebook.ts";

const pages = new Set([
  "README.md",
  "README.zh-CN.md",
  "docs/guide.md",
  "notebooks/zh/01_静.ipynb",
]);

Deno.test("links lead to pages of the site, by way of the page that they stand on", () => {
  const readme = linkFrom("README.md", pages);
  assertEquals(readme("docs/guide.md#memory"), "docs/guide.html#memory");
  assertEquals(readme("README.zh-CN.md"), "zh.html");
  assertEquals(readme("notebooks/zh/01_静.ipynb"), encodeURI("notebooks/zh/01_静.html"));
  assertEquals(readme("https://example.org/x.md"), "https://example.org/x.md");
  assertEquals(readme("docs/a.svg"), "docs/a.svg");
  assertEquals(readme("examples/onnx.ts"), undefined);
  const notebook = linkFrom("notebooks/zh/01_静.ipynb", pages);
  assertEquals(notebook("../../README.md"), "../../index.html");
  assertEquals(pagePath("docs/guide.md"), "docs/guide.html");
});

Deno.test("formulas become MathML, within a line and in lines of their own", () => {
  const html = markdownHtml(
    "The step $s$ of 5 $ and\nmore.\n\n$$q = x / s$$\n\n中 $z$ 文",
    (x) => x,
  );
  assertEquals(html.match(/<math/g)?.length, 3);
  assertStringIncludes(html, 'display="block"');
  assertStringIncludes(html, "中 <math>");
  assertStringIncludes(html, "of 5 $ and");
});

Deno.test("headings have the names that links know, links without a page stay text", () => {
  assertEquals(slug("Which range, and `when`?"), "which-range-and-when");
  const html = markdownHtml(
    "## A `b` c\n\n[there](x.md) [gone](y.ts)",
    (href) => href === "x.md" ? "x.html" : undefined,
  );
  assertStringIncludes(html, '<h2 id="a-b-c">A <code>b</code> c</h2>');
  assertStringIncludes(html, '<a href="x.html">there</a> gone');
});

Deno.test("code is escaped, and its words told apart", () => {
  assertEquals(
    highlight('const a = "<b>"; // 1 & 2', "ts"),
    '<span class="word">const</span> a = <span class="text">&quot;&lt;b&gt;&quot;</span>; ' +
      '<span class="comment">// 1 &amp; 2</span>',
  );
  assertEquals(highlight("a < b", "none"), "a &lt; b");
});

Deno.test("a notebook shows the richest form of each output", () => {
  const cell = {
    cell_type: "code",
    metadata: {},
    source: ["1 < 2;"],
    outputs: [
      { output_type: "stream", text: ["<printed>\n"] },
      { output_type: "display_data", data: { "text/html": "<b>x</b>", "text/plain": "x" } },
      { output_type: "display_data", data: { "text/markdown": "*y*", "text/plain": "y" } },
      { output_type: "execute_result", data: { "text/plain": ["<z>"] } },
    ],
  };
  const html = notebookHtml({ metadata: {}, cells: [cell] }, (x) => x);
  for (
    const part of ["</span> &lt; <span", "&lt;printed&gt;", "<b>x</b>", "<em>y</em>", "&lt;z&gt;"]
  ) {
    assertStringIncludes(html, part);
  }
});

Deno.test("a page knows its language and its translation, and the way to the others", () => {
  const page = pageOf("README.zh-CN.md", "# staticquant\n\n你好", pages);
  assertEquals([page.path, page.language, page.translation], ["zh.html", "zh", "index.html"]);
  const html = framed(page);
  assertStringIncludes(html, '<html lang="zh-CN">');
  assertStringIncludes(html, '<a href="app/index.html">');
  assertStringIncludes(framed({ ...page, path: "notebooks/zh/a.html" }), 'href="../../zh.html"');
});
