/**
 * Saying why nothing of a model can be quantized.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { QUANTIZABLE_OPERATORS, roleOf } from "./operators.ts";
import type { Placement } from "./placement.ts";
import type { NodeSelection } from "./selection.ts";

/** Names in a row: `a`, `a and b`, `a, b and c`; only the first few of many. */
function list(names: Iterable<string>, most = 6): string {
  const all = [...names];
  const shown = all.length > most ? [...all.slice(0, most), `${all.length - most} more`] : all;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/** The operators in a graph and in those inside of its nodes, foreign ones with their domains. */
function operatorsOf(nodes: readonly NodeProto[]): string[] {
  const names = nodes.filter(({ opType }) => opType !== "Constant")
    .map(({ domain, opType }) => domain ? `${domain}.${opType}` : opType);
  return [...new Set(names)].sort();
}

/**
 * Why nothing becomes integers, as a sentence without its end.
 *
 * @param source the graph as the file has it.
 * @param facts about the prepared graph.
 */
export function nothingToQuantize(
  source: GraphProto,
  facts: GraphFacts,
  { decisions }: Placement,
  { opTypesToQuantize }: NodeSelection,
): string {
  if (source.output.length === 0) return "the model has no outputs, so nothing of it is computed";
  if (source.node.length === 0) return "the model has no nodes: it gives on what it takes";
  const nodes = [...walkGraphs(facts.graph)].flatMap(({ node }) => node);
  if (nodes.length === 0) {
    return "nothing is left to compute once constants are folded: what the model gives depends on " +
      "constants alone, or is what it takes";
  }
  const multiply = nodes.filter((node) => {
    const role = roleOf(node);
    return role === "multiplies" || role === "stores";
  });
  const operators = operatorsOf(nodes);
  const asked = opTypesToQuantize && selectionProblem(opTypesToQuantize, operators, multiply);
  if (asked) return asked;
  if (multiply.length > 0) return weightProblems(multiply, decisions);
  return otherWeights(nodes, facts) ?? otherTypes(facts) ??
    `there is nothing to quantize: the model has no Conv, ConvTranspose, Gemm or MatMul, and its operators ` +
      `(${list(operators)}) gain by integers only beside those`;
}

/** What is wrong with the operators that were asked for. */
function selectionProblem(
  asked: readonly string[],
  operators: readonly string[],
  multiply: readonly NodeProto[],
): string | undefined {
  const possible = asked.filter((opType) => QUANTIZABLE_OPERATORS.includes(opType));
  if (possible.length === 0) {
    return `opTypesToQuantize names ${
      list(asked)
    }, which onnxruntime has no integer kernel for; those ` +
      `that can be quantized are ${QUANTIZABLE_OPERATORS.join(", ")}`;
  }
  const present = possible.filter((opType) => operators.includes(opType));
  if (present.length === 0) {
    return `opTypesToQuantize names ${list(asked)}, and the model has only ${list(operators)}`;
  }
  const weighted = operatorsOf(multiply);
  if (weighted.length === 0 || present.some((opType) => weighted.includes(opType))) {
    return undefined;
  }
  return `opTypesToQuantize names ${
    list(asked)
  }, which are quantized only beside operators that multiply; ` +
    `name some of ${list(weighted)} too`;
}

/** The reasons of the nodes that multiply, those of most nodes first. */
function weightProblems(
  nodes: readonly NodeProto[],
  decisions: Placement["decisions"],
): string {
  const reasons = Map.groupBy(nodes, (node) => decisions.get(node)?.reason ?? OTHER_TYPE);
  const sorted = [...reasons].sort(([, a], [, b]) => b.length - a.length);
  const parts = sorted.slice(0, 3).map(([reason, [first, ...others]]) => {
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return `${describeNode(first)}${more}: ${reason}`;
  });
  const open = sorted.length > 3 ? "; …" : "";
  const which = list(operatorsOf(nodes));
  const verdict = nodes.length === 1
    ? `the model's only ${which} cannot`
    : `none of the model's ${nodes.length} ${which} nodes can`;
  return `${verdict} be quantized: ${parts.join("; ")}${open}`;
}

/** Why a node was not even looked at. */
const OTHER_TYPE = "it does not compute with float32";

/** The operators that have the weights, if they are others than those that can be quantized. */
function otherWeights(nodes: readonly NodeProto[], facts: GraphFacts): string | undefined {
  const isWeight = (name: string) =>
    facts.isFloat(name) && (facts.constantDims(name)?.length ?? 0) > 1;
  const weighted = nodes.filter((node) => !roleOf(node) && node.input.some(isWeight));
  if (weighted.length === 0) return undefined;
  return `all weights of the model belong to ${list(operatorsOf(weighted))}, such as ${
    describeNode(weighted[0])
  }, for which onnxruntime has no integer kernel with fixed ranges`;
}

/** The types that a model without floats computes with. */
function otherTypes(facts: GraphFacts): string | undefined {
  const { graph } = facts;
  const values = [...graph.input.map(({ name }) => name), ...graph.node.flatMap((n) => n.output)];
  const types = new Set(values.filter(Boolean).map((name) => facts.dtype(name)));
  const open = graph.node.find(({ output }) => output[0] && !facts.dtype(output[0]));
  if (open) {
    return `what ${
      describeNode(open)
    } makes is of a type that is not known, and nothing else in the model can be ` +
      `quantized`;
  }
  if (types.has("float32")) return undefined;
  const narrow = [...types].filter((type) => type !== "bool");
  return `the model computes with ${
    list((narrow.length ? narrow : [...types]).map(String))
  } only, not with ` +
    `float32`;
}
