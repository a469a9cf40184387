/**
 * Facts in lines.
 *
 * @module
 */
import { wrapped } from "../numbers/columns.ts";
import { printable } from "../numbers/printable.ts";

/** A line for each fact, or more where it is long, what it says aligned behind what it is about. */
export function factLines(
  facts: readonly (readonly [name: string, value: string])[],
  columns: number,
): string {
  const indent = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.flatMap(([name, value]) =>
    wrapped(printable(value), columns - indent, false).map((line, i) =>
      `${(i === 0 ? name : "").padEnd(indent)}${line}`
    )
  ).join("\n");
}
