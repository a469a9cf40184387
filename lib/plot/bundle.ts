/**
 * How values show themselves in a notebook and on the console.
 *
 * @module
 */

/** The method that Deno's Jupyter kernel calls on a cell's value. */
export const JUPYTER_DISPLAY: unique symbol = Symbol.for("Jupyter.display") as never;
/** The method that `console.log` and `Deno.inspect` call. */
export const CUSTOM_INSPECT: unique symbol = Symbol.for("Deno.customInspect") as never;

/** One value in several formats, by media type; a notebook shows the richest it knows. */
export type DisplayBundle = Record<string, string>;

/** What a notebook is given of something that is HTML and text. */
export function bundleOf(shown: { readonly html: string; toString(): string }): DisplayBundle {
  return { "text/html": shown.html, "text/plain": shown.toString() };
}
