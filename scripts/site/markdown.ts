/**
 * Markdown as HTML, with formulas as MathML, which browsers draw without a script.
 *
 * @module
 */
import { Marked, type Tokens } from "marked";
import temml from "temml";
import { attributes, escape } from "../../lib/plot/markup.ts";
import { codeBlock } from "./highlight.ts";

/** A heading's name in addresses, as GitHub makes it. */
export function slug(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-");
}

/** A formula, in a line of its own or within one. */
function formula(pattern: RegExp, level: "block" | "inline") {
  return {
    name: `${level}Formula`,
    level,
    // Where one may begin, so that text before it ends there: a block at the start of a line only.
    start(text: string) {
      const at = level === "block" ? text.search(/(?<=\n)\$\$/) : text.indexOf("$");
      return at < 0 ? undefined : at;
    },
    tokenizer(text: string) {
      const match = pattern.exec(text);
      return match ? { type: `${level}Formula`, raw: match[0], text: match[1] } : undefined;
    },
    renderer: ({ text }: Tokens.Generic) =>
      temml.renderToString(text, { displayMode: level === "block", throwOnError: true }),
  };
}

/**
 * A text in Markdown.
 *
 * @param link what becomes of a link's target; nothing where there is none on the site.
 */
export function markdownHtml(text: string, link: (href: string) => string | undefined): string {
  const marked = new Marked({
    extensions: [
      formula(/^\$\$([^$]+)\$\$(?:\n|$)/, "block"),
      formula(/^\$(?!\s)([^$\n]+?)\$(?!\d)/, "inline"),
    ],
    renderer: {
      code: ({ text, lang = "" }) => codeBlock(text, lang),
      heading({ tokens, depth, text }) {
        const id = slug(text.replace(/[`*]/g, ""));
        return `<h${depth} id="${escape(id)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const shown = this.parser.parseInline(tokens);
        const target = link(href);
        return target === undefined ? shown : `<a${attributes({ href: target })}>${shown}</a>`;
      },
      image({ href, text }) {
        return `<img${attributes({ src: link(href), alt: text })}>`;
      },
      table({ header, rows, align }) {
        const cell = (tag: "th" | "td") => ({ tokens }: Tokens.TableCell, i: number) => {
          const style = align[i] ? ` style="text-align:${align[i]};white-space:nowrap"` : "";
          return `<${tag}${style}>${this.parser.parseInline(tokens)}</${tag}>`;
        };
        const head = header.map(cell("th")).join("");
        const body = rows.map((row) => `<tr>${row.map(cell("td")).join("")}</tr>`).join("\n");
        return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>\n`;
      },
    },
  });
  return marked.parse(text, { async: false });
}
