/**
 * What stands around every page of the site.
 *
 * @module
 */
import { escape } from "../../lib/plot/markup.ts";

const STYLE = `
:root { color-scheme: light dark; --ink: #24292f; --soft: #57606a; --line: #d8dee4; --ground: #fff; --code: #f5f7f9;
  --accent: #1f5f9f; --word: #8250a8; --text: #1d6b3f; --number: #a04a12; --comment: #6a737d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --soft: #9aa5b1; --line: #333b44; --ground: #121417;
  --code: #1b1f24; --accent: #7db4ea; --word: #c6a2e8; --text: #7fcf9f; --number: #f0a274; --comment: #8b949e; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: var(--ground); overflow-wrap: break-word;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "DejaVu Sans", sans-serif; }
header { border-bottom: 1px solid var(--line); }
nav { max-width: 62rem; margin: 0 auto; padding: 0.7rem 1rem; display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; }
nav a { color: var(--soft); text-decoration: none; padding: 0.2rem 0; }
nav a:hover, nav a[aria-current] { color: var(--accent); }
nav a:first-child { font-weight: 650; color: var(--ink); margin-right: auto; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
main > p, main > ul, main > ol { max-width: 46rem; }
h1 { font-size: 1.9rem; line-height: 1.25; margin: 1rem 0 0.6rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.2rem 0 0.6rem; }
h3 { font-size: 1.1rem; margin: 1.6rem 0 0.4rem; }
a { color: var(--accent); }
img { max-width: 100%; height: auto; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 0.86em; }
:not(pre) > code { background: var(--code); border-radius: 4px; padding: 0.1em 0.3em; }
pre { overflow-x: auto; margin: 0.8rem 0; line-height: 1.5; }
pre.code { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem; }
.word { color: var(--word); } .text { color: var(--text); } .number { color: var(--number); } .comment { color: var(--comment); }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.92em; }
th, td { text-align: left; padding: 0.3rem 0.8rem 0.3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 650; }
.output { padding-left: 0.9rem; border-left: 3px solid var(--line); margin: 0.6rem 0 1.4rem; }
.output pre { margin: 0.3rem 0; }
.output .page { font-size: 0.94em; }
.staticquant-figure { background: none !important; }
math[display="block"] { overflow-x: auto; overflow-y: hidden; margin: 1rem 0; max-width: 100%; }
@media (max-width: 30rem) { h1 { font-size: 1.55rem; } nav a:first-child { width: 100%; } }
`;

/** Texts of the frame, by language. */
const TEXTS = {
  en: { guide: "Guide", results: "Results", api: "Reference", app: "In the browser" },
  zh: { guide: "指南", results: "数据", api: "API 参考", app: "在浏览器里试" },
} as const;

/** A language that the site is in. */
export type Language = keyof typeof TEXTS;

/** A page without what stands around it. */
export interface Page {
  /** Where it lies on the site, such as `docs/guide.html`. */
  readonly path: string;
  readonly title: string;
  readonly language: Language;
  readonly body: string;
  /** The same page in the other language, if there is one. */
  readonly translation?: string;
}

/** The way from a page to another file of the site, both given from the site's root. */
export function wayTo(from: string, to: string): string {
  return "../".repeat(from.split("/").length - 1) + to;
}

/** The whole page. */
export function framed({ path, title, language, body, translation }: Page): string {
  const texts = TEXTS[language];
  const home = language === "zh" ? "zh.html" : "index.html";
  const other = translation ?? (language === "zh" ? "index.html" : "zh.html");
  const links: [to: string, text: string][] = [
    [home, "staticquant"],
    ["app/index.html", texts.app],
    ["docs/guide.html", texts.guide],
    ["docs/onnx.html", "ONNX"],
    ["docs/results.html", texts.results],
    ["api/index.html", texts.api],
    [other, language === "zh" ? "English" : "中文"],
  ];
  const nav = links.map(([to, text]) => {
    const current = to === path && to !== home ? ' aria-current="page"' : "";
    return `<a href="${escape(encodeURI(wayTo(path, to)))}"${current}>${escape(text)}</a>`;
  });
  return `<!doctype html>
<html lang="${language === "zh" ? "zh-CN" : "en"}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title === "staticquant" ? title : `${title} · staticquant`)}</title>
<style>${STYLE}</style>
<header><nav>${nav.join("\n")}</nav></header>
<main>
${body}
</main>
</html>
`;
}
