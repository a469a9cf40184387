/**
 * How results of analyses show themselves.
 *
 * @module
 */
import { plotBars } from "./bars.ts";
import type { DisplayBundle } from "./bundle.ts";
import type { Figure } from "./figure.ts";
import type { Table } from "./table.ts";

/**
 * A result that is plain data, prints as an aligned table and draws itself in a notebook. What
 * draws is loaded only when a notebook asks.
 *
 * @example
 * ```ts
 * import { AnalysisReport, type Figure, plotBars, Table } from "@staticquant/staticquant";
 * class Sizes extends AnalysisReport {
 *   override table(): Table {
 *     return new Table([{ model: "float", bytes: 400 }, { model: "int8", bytes: 100 }]);
 *   }
 *   override figure(): Promise<Figure> {
 *     return plotBars({ float: 400, int8: 100 }, { label: "bytes" });
 *   }
 * }
 * console.log(String(new Sizes()));
 * ```
 */
export abstract class AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "AnalysisReport";

  /** The numbers as a table. */
  abstract table(): Table;

  /** The numbers as a picture; null where there is nothing to draw. */
  abstract figure(): Promise<Figure | null>;

  /** The table as plain text. */
  toString(): string {
    return this.table().toString();
  }

  /** What the console shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return Object.keys(this).length ? this.toString() : this.constructor.name;
  }

  /** What a notebook shows: the table, and the picture below it. */
  async [Symbol.for("Jupyter.display")](): Promise<DisplayBundle> {
    const table = this.table();
    const figure = await this.figure();
    return {
      "text/html": table.html + (figure?.html ?? ""),
      ...figure && { "image/svg+xml": figure.svg },
      "text/plain": table.toString(),
    };
  }
}

/** A bar for each ratio that is finite, or null if none is. */
export function barsOfDecibels(
  values: Readonly<Record<string, number>>,
  title: string,
  label: string,
): Promise<Figure | null> {
  const finite = Object.entries(values).filter(([, value]) => Number.isFinite(value));
  if (finite.length === 0) return Promise.resolve(null);
  return plotBars(Object.fromEntries(finite), {
    title,
    label,
    format: (value) => `${value.toFixed(1)} dB`,
  });
}
