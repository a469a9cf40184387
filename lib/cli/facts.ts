/**
 * Facts in lines.
 *
 * @module
 */
import { printable } from "../numbers/printable.ts";

/** A line for each fact, what it says aligned behind what it is about. */
export function factLines(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.map(([name, value]) => `${name.padEnd(width)}${printable(value)}`).join("\n");
}
