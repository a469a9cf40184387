/**
 * A comparison as one HTML page that needs nothing else.
 *
 * @module
 */
import { plotBars } from "../plot/bars.ts";
import type { Figure } from "../plot/figure.ts";
import { decibels, formatBytes, formatNumber, percent } from "../plot/format.ts";
import { escape } from "../plot/markup.ts";
import { plotLines } from "../plot/lines.ts";
import { median, type OnnxTensorComparison } from "../onnx/accuracy/comparison.ts";
import type { Comparison } from "./comparison.ts";
import { formatMs, plotLatency, plotTensors } from "./report_figures.ts";

/** What a path ends with, which needs no file system. */
function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1)!;
}

/** How many of the worst tensors are shown at once. */
const WORST = 15;

const STYLE = `
:root { color-scheme: light dark; --ink: #24292f; --soft: #57606a; --page: #f4f6f8; --card: #fff; --line: #d8dee4; --faint: #eef1f4; --accent: #2f6fb3; --alert: #d9622b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --soft: #9aa5b1; --page: #0f1114; --card: #181b1f; --line: #3b434d; --faint: #262c33; --accent: #5f9fdc; --alert: #ee8350; } }
:root { color: var(--ink); background: var(--page); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
body { margin: 0; }
main { max-width: 980px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 4px; }
p { margin: 0 0 10px; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; margin-top: 16px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin-top: 18px; }
.card { background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: 8px; padding: 12px 16px; }
.card b { display: block; font-size: 26px; font-weight: 650; line-height: 1.25; }
.card span { color: var(--soft); font-size: 13px; }
.card small { display: block; color: var(--soft); font-size: 12.5px; margin-top: 4px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 12px; }
svg { display: block; max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); padding: 4px 10px 4px 0; }
td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--faint); overflow-wrap: anywhere; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { width: 32%; } td.bar i { display: block; height: 9px; border-radius: 2px; background: var(--accent); }
tr.low td.bar i { background: var(--alert); }
summary { cursor: pointer; color: var(--accent); margin-top: 10px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media print { :root { background: none; } section, .card { break-inside: avoid; } }
`;

/** The whole page. */
export async function htmlReport(comparison: Comparison): Promise<string> {
  const { float, quantized, data, result: { samples, tensors } } = comparison;
  const title = `${fileName(float)} quantized`;
  const sections = [
    cards(comparison),
    await costs(comparison),
    await tensorSection(tensors),
    await outputSection(comparison),
    section(
      "What was compared",
      "",
      `<dl><dt>float</dt><dd>${escape(float)}</dd><dt>quantized</dt><dd>${
        escape(quantized)
      }</dd><dt>samples</dt><dd>${samples} of ${escape(data)}</dd></dl>`,
    ),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${escape(title)}</h1>
<p>${escape(fileName(quantized))} beside the float model, on ${samples} ${
    samples === 1 ? "sample" : "samples"
  } of ${escape(data)}</p>
${sections.join("\n")}
</main>
</html>
`;
}

function cards({ result: { float, quantized, outputs } }: Comparison): string {
  const worst = outputs.reduce((a, b) => b.sqnr < a.sqnr ? b : a);
  const several = outputs.length > 1
    ? `of ${worst.name}, the worst of ${outputs.length} outputs`
    : "";
  const top1 = outputs.filter(({ top1 }) => top1 !== null).map(({ top1 }) => top1!);
  const list = [
    card("SQNR of the output", decibels(worst.sqnr), several || meaning(worst.sqnr)),
    ...top1.length
      ? [card(
        "Top-1 agreement",
        percent(Math.min(...top1)),
        "how often the greatest value stands at the same place",
      )]
      : [],
    card(
      "Size",
      formatBytes(quantized.bytes),
      `${percent(quantized.bytes / float.bytes)} of ${formatBytes(float.bytes)}`,
    ),
  ];
  if (float.latency.length) {
    const [before, after] = [median(float.latency), median(quantized.latency)];
    const times = after < before
      ? `${(before / after).toFixed(2)} times as fast`
      : `${(after / before).toFixed(2)} times as slow`;
    list.push(card(
      "Latency",
      formatMs(after),
      `${times} as float, ${formatMs(before)}`
        .replace("as slow as float", "as long as float"),
    ));
  }
  return `<div class="cards">${list.join("")}</div>`;
}

function card(name: string, value: string, note: string): string {
  return `<div class="card"><span>${escape(name)}</span><b>${escape(value)}</b><small>${
    escape(note)
  }</small></div>`;
}

function section(title: string, text: string, body: string): string {
  const paragraph = text ? `<p>${escape(text)}</p>` : "";
  return `<section><h2>${escape(title)}</h2>${paragraph}${body}</section>`;
}

async function costs({ result: { float, quantized } }: Comparison): Promise<string> {
  const size = await plotBars(
    { float: float.bytes / 2 ** 20, quantized: quantized.bytes / 2 ** 20 },
    { label: "MiB", format: (mib) => formatBytes(mib * 2 ** 20), width: 448 },
  );
  const figures: Figure[] = [size];
  if (float.latency.length) {
    const [a, b] = [float.latency, quantized.latency];
    figures.push(
      await plotLatency(
        { float: a, quantized: b },
        { float: median(a), quantized: median(b) },
      ),
    );
  }
  const body = `<div class="pair">${
    figures.map((figure) => `<div>${figure}</div>`).join("")
  }</div>`;
  return figures.length === 2
    ? section("Size and time", "A tick is a run of one sample; both models ran in turn.", body)
    : section("Size", "", body);
}

async function tensorSection(tensors: readonly OnnxTensorComparison[]): Promise<string> {
  if (tensors.length === 0) return "";
  const figure = await plotTensors(tensors);
  const ranked = [...tensors].sort((a, b) => a.sqnr - b.sqnr);
  const rest = ranked.slice(WORST);
  const best = Math.max(...tensors.map(({ sqnr }) => Number.isFinite(sqnr) ? sqnr : 0), 1);
  const details = rest.length
    ? `<details><summary>the other ${rest.length}</summary>${tensorTable(rest, best)}</details>`
    : "";
  return section(
    "Where the noise comes from",
    "SQNR of each tensor that both models compute; filled dots are kept in integers. Noise adds up from " +
      "left to right; a sudden fall shows the node that hurts.",
    `${figure ?? ""}<h2>The noisiest</h2>${tensorTable(ranked.slice(0, WORST), best)}${details}`,
  );
}

function tensorTable(tensors: readonly OnnxTensorComparison[], best: number): string {
  const rows = tensors.map(({ name, opType, quantized, sqnr }) => {
    const share = Number.isFinite(sqnr) ? Math.min(Math.max(sqnr / best, 0), 1) : +(sqnr > 0);
    return `<tr${sqnr < 20 ? ' class="low"' : ""}><td>${escape(name)}</td><td>${
      escape(opType)
    }</td><td>${quantized ? "integers" : "float"}</td>` +
      `<td class="n">${decibels(sqnr)}</td>` +
      `<td class="bar"><i style="width:${(100 * share).toFixed(1)}%"></i></td></tr>`;
  });
  return `<table><tr><th>tensor</th><th>made by</th><th>kept as</th><th class="n">SQNR</th><th></th></tr>${
    rows.join("")
  }</table>`;
}

async function outputSection({ result: { outputs } }: Comparison): Promise<string> {
  const rows = outputs.map(({ name, sqnr, top1 }) =>
    `<tr><td>${escape(name)}</td><td class="n">${decibels(sqnr)}</td><td class="n">${
      top1 === null ? "" : percent(top1)
    }</td></tr>`
  );
  const figures: string[] = [];
  for (const { name, sqnrPerSample } of outputs.slice(0, 4)) {
    const finite = sqnrPerSample.filter(Number.isFinite);
    if (finite.length < 2) continue;
    const sorted = [...finite].sort((a, b) => a - b);
    figures.push(String(
      await plotLines({ [short(name)]: sorted }, {
        xLabel: `samples, the noisiest first (${formatNumber(sorted.length)})`,
        yLabel: "SQNR, dB",
        width: 920,
        height: 260,
      }),
    ));
  }
  return section(
    "Outputs",
    figures.length
      ? "Over all samples, and of each sample: a steep left end is a few samples that do badly."
      : "",
    `<table><tr><th>output</th><th class="n">SQNR</th><th class="n">top-1 agreement</th></tr>${
      rows.join("")
    }</table>${figures.join("")}`,
  );
}

function short(name: string): string {
  return [...name].length > 24 ? `${[...name].slice(0, 23).join("")}…` : name;
}

/** What a ratio means. */
function meaning(sqnr: number): string {
  if (!Number.isFinite(sqnr)) return sqnr > 0 ? "the very same numbers" : "";
  return `noise of ${
    formatNumber(Number((100 * 10 ** (-sqnr / 20)).toPrecision(2)))
  } % of the signal`;
}
