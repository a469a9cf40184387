/**
 * Pictures.
 *
 * @module
 */
import { base64 } from "../files/base64.ts";
import type { DisplayBundle } from "./bundle.ts";
import { attributes, escape } from "./markup.ts";
import { DARK_STYLE, FONT, GROUND, INK, MUTED, TEXT_SIZE, textWidth, TITLE_SIZE } from "./style.ts";

/** What a document is drawn on. */
const GROUND_RECT = `<rect width="100%" height="100%" fill="${GROUND}"/>`;

/** The class of a figure's image in HTML. */
const CLASS = "staticquant-figure";

/** How notebooks say that their theme is light or dark: on an element around all cells. */
const THEMES = {
  dark: [
    '[data-jp-theme-light="false"]', // Jupyter and what nbconvert makes
    ".vscode-dark",
    ".vscode-high-contrast:not(.vscode-high-contrast-light)",
    'html[theme="dark"]', // Colab
  ],
  light: ['[data-jp-theme-light="true"]', ".vscode-light", ".vscode-high-contrast-light"],
};

/**
 * Tells the image which theme the notebook has, where that is known, and lets the notebook's ground show
 * through; a browser hands that on to the style sheet in the image. Elsewhere the page's own
 * `color-scheme` counts, and the image has ground of its own.
 */
const THEME_STYLE = `<style>${
  Object.entries(THEMES).map(([scheme, themes]) =>
    `:is(${themes.join(",")}) .${CLASS}{color-scheme:${scheme};background:none!important}`
  ).join("")
}</style>`;

/**
 * A picture as SVG. A notebook draws it; `String(figure)` is the SVG, ready to be saved.
 *
 * @example
 * ```ts
 * import { plotDistribution, randn } from "@staticquant/staticquant";
 * const figure = await plotDistribution(randn([1000]), { title: "Standard normal" });
 * console.log(figure.width, figure.svg.startsWith("<svg")); // 640 true
 * ```
 */
export class Figure {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "Figure";

  /** The picture: a whole SVG document. */
  readonly svg: string;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** What the picture shows, for those who do not see it. */
  readonly description: string;

  /**
   * Wraps a picture; the `plot…` functions make them.
   *
   * @param svg a whole SVG document.
   * @param size width and height in pixels.
   * @param description what the picture shows, in words.
   */
  constructor(svg: string, size: { width: number; height: number }, description: string) {
    this.svg = svg;
    this.width = size.width;
    this.height = size.height;
    this.description = description;
  }

  /** The SVG. */
  toString(): string {
    return this.svg;
  }

  /**
   * The picture as an HTML image, which unlike SVG elements is neither touched by the page's style
   * sheets nor taken out where a notebook is not trusted or is converted to HTML. It follows the
   * notebook's theme, or the page's `color-scheme`.
   */
  get html(): string {
    const src = `data:image/svg+xml;base64,${base64(this.svg.replace(GROUND_RECT, ""))}`;
    const { width, height, description: alt } = this;
    const style = `max-width:100%;height:auto;background:Canvas`;
    return `${THEME_STYLE}<img${attributes({ class: CLASS, src, width, height, alt, style })}>`;
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): DisplayBundle {
    return {
      "text/html": this.html,
      "image/svg+xml": this.svg,
      "text/plain": `Figure: ${this.description}`,
    };
  }

  /** What the console shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return `Figure(${this.width} × ${this.height}: ${this.description})`;
  }
}

/** What goes around a drawing. */
export interface FrameParts {
  /** The drawing: SVG elements. */
  drawing: string;
  width: number;
  height: number;
  title?: string;
  /** Facts below the title; they are set in as many lines as they need. */
  facts?: readonly string[];
}

const MARGIN = 12;

/** A figure with its title and its facts above the drawing. */
export function frame({ drawing, width, height, title, facts = [] }: FrameParts): Figure {
  const lines = wrap(facts, width - 2 * MARGIN);
  let y = title || lines.length ? MARGIN : 0;
  let head = "";
  if (title) {
    y += TITLE_SIZE;
    head += text(title, MARGIN, y, TITLE_SIZE, { "font-weight": 600, fill: INK });
    y += 5;
  }
  for (const line of lines) {
    y += TEXT_SIZE;
    head += text(line, MARGIN, y, TEXT_SIZE, { fill: MUTED });
    y += 4;
  }
  if (y) y += 6;
  const description = [title, ...facts].filter(Boolean).join("; ");
  const svg = head + `<g transform="translate(0,${y})">${drawing}</g>`;
  return new Figure(
    document(svg, width, y + height, description),
    { width, height: y + height },
    description,
  );
}

/** A whole SVG document on ground of its own, light or dark as the page around it. */
export function document(body: string, width: number, height: number, label: string): string {
  return `<svg${
    attributes({
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "font-family": FONT,
      "font-size": TEXT_SIZE,
      color: INK,
      fill: INK,
      role: "img",
      "aria-label": label,
      style: "max-width:100%;height:auto",
    })
  }>${DARK_STYLE}${GROUND_RECT}${body}</svg>`;
}

/** One line of text. */
export function text(
  content: string,
  x: number,
  y: number,
  size: number,
  more: Record<string, string | number | undefined> = {},
): string {
  return `<text${attributes({ x, y, "font-size": size, ...more })}>${escape(content)}</text>`;
}

/** Facts joined by middle dots, in lines no wider than `width`. */
function wrap(facts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const joined = lines.length ? `${lines.at(-1)} · ${fact}` : "";
    if (joined && textWidth(joined, TEXT_SIZE) <= width) lines[lines.length - 1] = joined;
    else lines.push(fact);
  }
  return lines;
}

/**
 * Several figures as one, side by side and row by row.
 *
 * @param figures the figures, in reading order.
 * @param options how many stand in a row; all of them by default.
 * @returns the joined figure.
 *
 * @example
 * ```ts
 * import { joinFigures, plotDistribution, randn } from "@staticquant/staticquant";
 * const one = await plotDistribution(randn([100]));
 * console.log(joinFigures([one, one]).width); // 1280
 * ```
 */
export function joinFigures(
  figures: readonly Figure[],
  options: { columns?: number } = {},
): Figure {
  const { columns = figures.length } = options;
  let body = "";
  let width = 0;
  let top = 0;
  for (let start = 0; start < figures.length; start += columns) {
    const row = figures.slice(start, start + columns);
    let left = 0;
    for (const figure of row) {
      body += `<g transform="translate(${left},${top})">${inner(figure.svg)}</g>`;
      left += figure.width;
    }
    width = Math.max(width, left);
    top += Math.max(...row.map(({ height }) => height));
  }
  const description = figures.map((figure) => figure.description).join(" | ");
  return new Figure(document(body, width, top, description), { width, height: top }, description);
}

/** What lies inside the outermost element of a document, without its own ground. */
function inner(svg: string): string {
  return svg.slice(svg.indexOf(">") + 1, svg.lastIndexOf("</svg>"))
    .replace(DARK_STYLE + GROUND_RECT, "");
}
