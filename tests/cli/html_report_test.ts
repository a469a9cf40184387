import { assert, assertEquals } from "@std/assert";
import type { Comparison } from "../../lib/cli/comparison.ts";
import { htmlReport } from "../../lib/cli/html_report.ts";

const result: Comparison["result"] = {
  samples: 3,
  sqnr: 27.34,
  float: { bytes: 4096, latency: [2, 3, 2.5] },
  quantized: { bytes: 1024, latency: [1, 1.25, 9] },
  outputs: [{ name: 'y"><script>', sqnr: 27.34, top1: 2 / 3, sqnrPerSample: [20, 30, Infinity] }],
  tensors: [
    { name: "a", opType: "Conv", quantized: true, sqnr: 40 },
    { name: "b", opType: "Relu", quantized: false, sqnr: Infinity },
    { name: "c<d>", opType: "Conv", quantized: true, sqnr: 12.5 },
  ],
};
const comparison: Comparison = {
  float: "models/net.onnx",
  quantized: "out/net.int8.onnx",
  data: "<lines>",
  result,
};

Deno.test("a report is one page with the numbers, the plots and nothing from elsewhere", async () => {
  const html = await htmlReport(comparison);
  for (const text of ["27.3 dB", "66.67 %", "1.0 KiB", "2.00 times as fast", "12.5 dB", "∞ dB"]) {
    assert(html.includes(text), text);
  }
  assertEquals(html.match(/<svg/g)?.length, 4);
  const addresses = html.match(/(?:src|href|url)\s*[=(]\s*["']?[^"'\s)]+/g) ?? [];
  assertEquals(addresses.filter((address) => !/#|data:/.test(address)), []);
  assert(!html.includes("<script"), "names are escaped");
  assert(html.includes("c&lt;d&gt;") && html.includes("&lt;lines&gt;"));
});

Deno.test("the noisiest tensor comes first", async () => {
  const html = await htmlReport(comparison);
  assert(html.indexOf("<td>c&lt;d&gt;") < html.indexOf("<td>a<"), "12.5 dB before 40 dB");
});

Deno.test("a report without time, tensors or top-1 leaves them out", async () => {
  const html = await htmlReport({
    ...comparison,
    result: {
      ...result,
      float: { ...result.float, latency: [] },
      quantized: { ...result.quantized, latency: [] },
      outputs: [{ name: "y", sqnr: Infinity, top1: null, sqnrPerSample: [Infinity] }],
      tensors: [],
    },
  });
  assertEquals(html.match(/<svg/g)?.length, 1);
  for (const text of ["Latency", "Top-1", "noise comes from"]) assert(!html.includes(text), text);
  assert(html.includes("the very same numbers"));
});
