/** Looking into figures. */
import { assertEquals } from "@std/assert";
import { DOMParser } from "linkedom";
import type { Figure } from "../../mod.ts";

/** What the tests ask of an element. */
export interface Element {
  textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

/** The figure's root element, after checking that every tag is closed. */
export function parse({ svg }: Figure): Element {
  const open: string[] = [];
  for (const [tag, close, name, end] of svg.matchAll(/<(\/?)([\w:-]+)[^<>]*?(\/?)>/g)) {
    if (close) assertEquals(open.pop(), name, `${tag} closes another element`);
    else if (!end) open.push(name);
  }
  assertEquals(open, [], "elements left open");
  assertEquals(svg.replace(/<[^<>]*>/g, "").match(/[<>]|&(?!amp;|lt;|gt;|quot;|#\d+;)/g), null);
  const document = new DOMParser().parseFromString(svg, "image/svg+xml");
  return (document as unknown as { documentElement: Element }).documentElement;
}

/** The texts of a figure, in the order in which they stand in it. */
export function texts(figure: Figure): string[] {
  return [...parse(figure).querySelectorAll("text")].map((element) => element.textContent);
}

/** The fills of the rectangles in groups of a kind, as Plot labels them, and their own. */
export function fills(figure: Figure, label: string): string[] {
  return [...parse(figure).querySelectorAll(`g[aria-label="${label}"]`)].flatMap((group) =>
    [...group.querySelectorAll("rect")].map((rect) =>
      rect.getAttribute("fill") ?? group.getAttribute("fill") ?? ""
    )
  );
}
