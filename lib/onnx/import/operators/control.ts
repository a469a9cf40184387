/**
 * Operators with graphs inside of their nodes. The builder of modules makes nodes of their own of them.
 *
 * @module
 */
import { GRAPH } from "../node/node_attributes.ts";
import type { OperatorRules } from "../node/operator_rule.ts";

function built(): never {
  throw new Error("a node with graphs inside of it is built, not computed");
}

/** Choosing and repeating. */
export const CONTROL: OperatorRules = {
  If: {
    inputs: [1, 1],
    outputs: Infinity,
    host: [0],
    attributes: { then_branch: GRAPH, else_branch: GRAPH },
    compute: built,
  },
  Loop: {
    inputs: [0, Infinity],
    outputs: Infinity,
    host: [0, 1],
    attributes: { body: GRAPH },
    compute: built,
  },
};
