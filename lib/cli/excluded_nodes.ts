/**
 * The nodes that `--exclude` means.
 *
 * @module
 */
import { printable } from "../numbers/printable.ts";
import { CliError, EXIT } from "./cli_error.ts";

/** A node, as far as it can be chosen. */
export interface NamedNode {
  readonly name: string;
  readonly opType: string;
}

/**
 * The names of the nodes that patterns choose: a pattern is the name of a node, a name with `*` and `?`, or
 * an operator.
 *
 * @throws {CliError} if a pattern chooses nothing.
 */
export function excludedNodes(nodes: readonly NamedNode[], patterns: readonly string[]): string[] {
  const chosen = patterns.flatMap((pattern) => {
    const found = nodes.filter(({ name, opType }) =>
      opType === pattern || (isGlob(pattern) ? matchesGlob(pattern, name) : name === pattern)
    );
    if (found.length > 0) return found;
    const operators = [...new Set(nodes.map(({ opType }) => opType))].sort();
    throw new CliError(
      EXIT.failed,
      `--exclude ${pattern}: no node is called so; nodes have names such as ` +
        `${nodes.slice(0, 3).map(({ name }) => printable(name)).join(", ")}, operators are ${
          operators.map(printable).join(", ")
        }`,
    );
  });
  return [...new Set(chosen.map(({ name }) => name))];
}

/** Whether a pattern has wildcards. */
function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

/**
 * Whether a name matches a pattern: `*` stands for any characters, `?` for one. Takes time in proportion
 * to both lengths, whatever they hold.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  let [p, n] = [0, 0];
  // Where the last star stands, and the first character that it may not have swallowed yet.
  let [star, mark] = [-1, 0];
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      mark = n;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
