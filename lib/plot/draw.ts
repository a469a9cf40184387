/**
 * Drawing with Observable Plot, which is loaded when the first picture is drawn.
 *
 * @module
 */
import type { PlotOptions } from "@observablehq/plot";
import { loadPackage, PACKAGES } from "../files/packages.ts";

/** Observable Plot. */
export type Plot = typeof import("@observablehq/plot");

type Linkedom = typeof import("linkedom");

/** A page's own parser; workers and all else have none. */
async function parser(): Promise<Linkedom["DOMParser"]> {
  const { DOMParser } = globalThis as { DOMParser?: Linkedom["DOMParser"] };
  return DOMParser ?? (await loadPackage<Linkedom>("draw", PACKAGES.linkedom)).DOMParser;
}

/**
 * SVG elements for a plot, in a group whose top left corner is the plot's.
 *
 * @param options makes Plot's options; gets the library.
 */
export async function draw(options: (plot: Plot) => PlotOptions): Promise<string> {
  const [plot, Parser] = await Promise.all([loadPackage<Plot>("draw", PACKAGES.plot), parser()]);
  const xml = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';
  const document = new Parser().parseFromString(xml, "image/svg+xml");
  const svg = plot.plot({ ...options(plot), document: document as never });
  // Plot's style sheet is for a picture that stands alone in a page.
  svg.querySelector("style")?.remove();
  return `<g fill="currentColor" text-anchor="middle">${shorten(svg.innerHTML)}</g>`;
}

/** Coordinates with two decimals at most: hundredths of a pixel. */
function shorten(svg: string): string {
  return svg.replace(
    / (?:cx|cy|x|y|x1|x2|y1|y2|width|height|d|transform)="[^"]*"/g,
    (attribute) =>
      attribute.replace(/\d+\.\d{3,}/g, (number) => String(Number((+number).toFixed(2)))),
  );
}
