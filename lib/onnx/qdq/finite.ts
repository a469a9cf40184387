/**
 * Telling constants that integers cannot hold.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { describeNode } from "../graph/describe_node.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { hasBias, roleOf } from "./operators.ts";

/** Which element of a constant is NaN or infinite, in words; nothing if none is. */
export function oddElement({ dims, data }: FloatConstant): string | undefined {
  // Stays 0 for finite numbers and becomes NaN for others; a branch for each would take longer.
  let odd = 0;
  for (let i = 0; i < data.length; i++) odd += data[i] * 0;
  if (odd === 0) return undefined;
  const index = data.findIndex((x) => !Number.isFinite(x));
  const at: number[] = [];
  let rest = index;
  for (const size of dims.toReversed()) {
    at.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return dims.length === 0 ? `${data[index]}` : `${data[index]} at (${at.join(", ")})`;
}

/**
 * Checks the weights and tables that become integers, and the biases with them.
 *
 * @param where opens the error.
 * @param weighted the nodes.
 * @throws {OnnxError} if one holds a NaN or an infinity; names it and the element.
 */
export function checkFinite(
  where: string,
  facts: GraphFacts,
  weighted: readonly NodeProto[],
): void {
  const seen = new Set<string>();
  for (const node of weighted) {
    const role = roleOf(node);
    const looksUp = role === "moves" || role === "looksUp";
    const weights = [[1, "weight"], ...hasBias(node) ? [[2, "bias"]] : []] as const;
    const parts = looksUp ? [[0, "table"]] as const : weights;
    for (const [index, part] of parts) {
      const name = node.input[index as number];
      using constant = seen.has(name) ? undefined : facts.constant(name);
      seen.add(name);
      const odd = constant && oddElement(constant);
      if (!odd) continue;
      throw new OnnxError(
        `${where}: the ${part} of ${describeNode(node)} is not finite: ${
          quote(name)
        } holds ${odd}, for which no ` +
          `integer stands; mend it, or leave the node out by nodesToExclude`,
      );
    }
  }
}

/**
 * The constant that an activation may have a NaN or an infinity from, in words; nothing if there is none.
 *
 * @param isFine whether a value was seen to have neither, so that what is before it does not matter.
 */
export function oddConstantBehind(
  facts: GraphFacts,
  value: string,
  isFine: (name: string) => boolean,
): string | undefined {
  const seen = new Set([value]);
  for (const name of seen) {
    for (const input of facts.view.producer(name)?.input ?? []) {
      if (input === "" || seen.has(input) || isFine(input)) continue;
      seen.add(input);
      using constant = facts.isConstant(input) ? facts.constant(input) : undefined;
      const odd = constant && oddElement(constant);
      if (odd) return `the constant ${quote(input)} before it holds ${odd}`;
    }
  }
}
