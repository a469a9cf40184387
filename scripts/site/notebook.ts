/**
 * Notebooks as HTML.
 *
 * @module
 */
import { escape } from "../../lib/plot/markup.ts";
import type { Notebook } from "../clean.ts";
import { codeBlock } from "./highlight.ts";
import { markdownHtml } from "./markdown.ts";

/** Text as notebook files hold it: whole, or in lines that keep their ends. */
type Lines = string | readonly string[];
const joined = (text: Lines) => typeof text === "string" ? text : text.join("");

interface Output {
  readonly output_type: string;
  readonly text?: Lines;
  readonly data?: Readonly<Record<string, Lines>>;
}

type Link = (href: string) => string | undefined;

/** The cells with their outputs, one below the other. */
export function notebookHtml({ cells }: Notebook, link: Link): string {
  return cells.map(({ cell_type, source, outputs }) => {
    const text = joined(source as Lines);
    if (cell_type === "markdown") return markdownHtml(text, link);
    const shown = ((outputs ?? []) as Output[]).map((output) => outputHtml(output, link));
    const below = shown.length ? `<div class="output">${shown.join("\n")}</div>` : "";
    return `<div class="cell">${codeBlock(text, "ts")}${below}</div>`;
  }).join("\n");
}

/** An output in the richest of its forms. */
function outputHtml({ text, data = {} }: Output, link: Link): string {
  if (text !== undefined) return `<pre>${escape(joined(text))}</pre>`;
  const { "text/html": html, "text/markdown": markdown, "text/plain": plain = "" } = data;
  if (html !== undefined) return `<div class="wide">${joined(html)}</div>`;
  if (markdown !== undefined) {
    return `<div class="page">${markdownHtml(joined(markdown), link)}</div>`;
  }
  return `<pre>${escape(joined(plain))}</pre>`;
}
