/**
 * Tables.
 *
 * @module
 */
import { columns, wrapped } from "../numbers/columns.ts";
import { printable, printableText } from "../numbers/printable.ts";
import { bundleOf, type DisplayBundle } from "./bundle.ts";
import { formatNumber } from "./format.ts";
import { escape } from "./markup.ts";

const GAP = "  ";
/** No column of words becomes narrower than this, in characters. */
const NARROWEST = 10;

/** What a cell of a {@linkcode Table} may hold. */
export type TableCell = string | number | boolean | null | undefined;

/** Options of {@linkcode Table}. */
export interface TableOptions {
  /** Stands above the table. */
  title?: string;
  /** Stands below the table. */
  note?: string;
}

/**
 * A table. A notebook lays it out; `String(table)` is plain text with aligned columns.
 *
 * @example
 * ```ts
 * import { Table } from "@staticquant/staticquant";
 * const table = new Table([{ model: "float", bytes: 235146 }, { model: "uint8", bytes: 62000 }]);
 * console.log(String(table));
 * ```
 */
export class Table {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "Table";

  /** The columns' names, in order. */
  readonly columns: readonly string[];
  /** The cells as text, row by row. */
  readonly cells: readonly (readonly string[])[];
  /** Title and note. */
  readonly options: Readonly<TableOptions>;

  /**
   * A table of rows.
   *
   * @param rows cells by column name; the columns come in the order in which they occur.
   * @param options title and note.
   */
  constructor(
    rows: readonly Readonly<Record<string, TableCell>>[],
    options: TableOptions = {},
  ) {
    this.columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    this.cells = rows.map((row) => this.columns.map((column) => cellText(row[column])));
    const { title, note } = options;
    this.options = { title: title && printableText(title), note: note && printableText(note) };
  }

  /** The table as HTML, everything escaped. */
  get html(): string {
    const { title, note } = this.options;
    const align = this.columns.map((_, j) => this.isNumeric(j) ? "right" : "left");
    const cell = (tag: "th" | "td", text: string, j: number) =>
      `<${tag} style="text-align:${align[j]};white-space:pre;padding:2px 8px">${
        escape(text)
      }</${tag}>`;
    const head = this.columns.some(Boolean)
      ? `<thead><tr>${this.columns.map((name, j) => cell("th", name, j)).join("")}</tr></thead>`
      : "";
    const body = this.cells.map((row) =>
      `<tr>${row.map((text, j) => cell("td", text, j)).join("")}</tr>`
    );
    const paragraph = (text: string, style: string) =>
      `<div style="margin:4px 0;${style}">${escape(text).replaceAll("\n", "<br>")}</div>`;
    return `<div>${title ? paragraph(title, "font-weight:600") : ""}` +
      `<table style="margin:0">${head}<tbody>${body.join("")}</tbody></table>` +
      `${note ? paragraph(note, "opacity:0.7;font-size:90%") : ""}</div>`;
  }

  /** The table as plain text. */
  toString(): string {
    return this.toText();
  }

  /**
   * The table as plain text of some width: what does not fit goes on in a line below, in the columns of
   * words, the widest first. Numbers are never cut.
   *
   * @param width columns of the terminal or page; as many as it takes by default.
   */
  toText(width = Infinity): string {
    const { title, note } = this.options;
    const names = this.columns.map(printable);
    const rows = [...(names.some(Boolean) ? [names] : []), ...this.cells];
    const widths = this.fittingWidths(rows, width);
    const lines = rows.flatMap((row) => {
      const cells = row.map((text, j) => wrapped(text, widths[j], true));
      const height = Math.max(1, ...cells.map((cell) => cell.length));
      return Array.from({ length: height }, (_, i) =>
        cells.map((cell, j) => {
          const text = cell[i] ?? "";
          const space = " ".repeat(Math.max(widths[j] - columns(text), 0));
          return this.isNumeric(j) ? space + text : text + space;
        }).join(GAP).trimEnd());
    });
    const around = (text?: string) =>
      text ? text.split("\n").flatMap((l) => wrapped(l, width, false)) : [];
    return [...around(title), ...lines, ...around(note)].join("\n");
  }

  /** How wide each column may be: as wide as its cells, or less where that is too much in all. */
  private fittingWidths(rows: readonly (readonly string[])[], width: number): number[] {
    const widest = (j: number, parts: (text: string) => string[]) =>
      Math.max(...rows.flatMap((row) => parts(row[j]).map(columns)), 0);
    const widths = this.columns.map((_, j) => widest(j, (text) => [text]));
    const soft = widths.flatMap((_, j) => this.isNumeric(j) ? [] : [j]);
    const total = () => widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1));
    // First no word is cut, and only where that is not enough, words are.
    for (const least of [(j: number) => widest(j, (text) => text.split(" ")), () => NARROWEST]) {
      while (total() > width) {
        const rest = soft.filter((j) => widths[j] > Math.max(least(j), NARROWEST));
        if (rest.length === 0) break;
        widths[rest.reduce((best, j) => widths[j] > widths[best] ? j : best)]--;
      }
    }
    return widths;
  }

  /** What a notebook shows. */
  [Symbol.for("Jupyter.display")](): DisplayBundle {
    return bundleOf(this);
  }

  /** What the console shows. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** Whether a column holds numbers, perhaps with units, so that their ends are aligned. */
  private isNumeric(column: number): boolean {
    const texts = this.cells.map((row) => row[column]).filter((text) => text && text !== "…");
    return texts.length > 0 &&
      texts.every((text) => /^([<>≈] ?)?[-−+]?(\d|∞|NaN)\S*( \S{1,8})?$/.test(text));
  }
}

function cellText(value: TableCell): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? formatNumber(value) : printable(value);
}
