/**
 * The nodes that `--exclude` means.
 *
 * @module
 */
import { CliError } from "./cli_error.ts";
import { EXIT } from "./exit_code.ts";
import { isGlob, matchesGlob } from "./glob.ts";

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
        `${nodes.slice(0, 3).map(({ name }) => name).join(", ")}, operators are ${
          operators.join(", ")
        }`,
    );
  });
  return [...new Set(chosen.map(({ name }) => name))];
}
