/**
 * HardSwish as runtimes know it.
 *
 * @module
 */
import { weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedInitializers, removeUnusedValueInfos } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { nodeName } from "../qdq/selection.ts";
import { namesOf } from "./float_nodes.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { multiplyColumns } from "./scale_channels.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { weightLayout } from "./weight_matrix.ts";

/** A value times a sum that is cut off at 0 and at a number: `v · Clip(x + shift, 0, most)`. */
export interface Gate {
  readonly sum: NodeProto;
  readonly clip: NodeProto;
  readonly product: NodeProto;
  /** What the sum is of. */
  readonly value: string;
  readonly shift: number;
  readonly most: number;
}

/** The number in a constant of one element. */
function numberIn(facts: GraphFacts, name: string | undefined): number | undefined {
  const dims = name ? facts.constantDims(name) : undefined;
  if (!dims || elementCount(dims) !== 1) return undefined;
  using constant = facts.constant(name!);
  return constant?.data[0];
}

/** What a node's number is and what it computes with it; nothing if it has none. */
function withNumber(facts: GraphFacts, node: NodeProto) {
  for (const [i, name] of node.input.entries()) {
    const number = numberIn(facts, name);
    const value = node.input[1 - i];
    if (number === undefined || facts.rank(value) === undefined) continue;
    if (facts.rank(value) === facts.rank(node.output[0])) return { index: i, number, value };
  }
  return undefined;
}

/** Whether a node multiplies what it reads with the columns of a constant. */
function hasRows(facts: GraphFacts, node: NodeProto): boolean {
  const layer = weightedNode(facts, node);
  return layer !== undefined &&
    weightLayout(layer, { dims: facts.constantDims(node.input[1])! }) !== undefined;
}

/** Whether all that read a value can be given a multiple of it: layers with weights, and products and sums with a number. */
function takeOver(facts: GraphFacts, value: string): boolean {
  const uses = facts.view.uses(value);
  return uses.length > 0 && uses.every((use) => {
    if (use.kind !== "input") return false;
    const { node, index } = use;
    if (isOp(node, "Mul")) return withNumber(facts, node) !== undefined;
    if (isOp(node, "Add")) {
      return withNumber(facts, node) !== undefined && takeOver(facts, node.output[0]);
    }
    return index === 0 && hasRows(facts, node);
  });
}

/** The gates of a graph whose product's readers take a factor over. */
function gatesOf(facts: GraphFacts): Gate[] {
  const { view } = facts;
  return facts.graph.node.flatMap((clip): Gate[] => {
    if (!isOp(clip, "Clip") || numberIn(facts, clip.input[1]) !== 0) return [];
    const most = numberIn(facts, clip.input[2]) ?? 0;
    const sum = view.producer(clip.input[0]);
    const product = view.onlyReader(clip.output[0]);
    if (!sum || !isOp(sum, "Add") || view.onlyReader(sum.output[0]) !== clip) return [];
    const added = withNumber(facts, sum);
    if (!product || !isOp(product, "Mul") || !added || !(most > 0 && Number.isFinite(most))) {
      return [];
    }
    const { value, number: shift } = added;
    return takeOver(facts, product.output[0]) ? [{ sum, clip, product, value, shift, most }] : [];
  });
}

/** Has those that read a value read a part of it in its place, of which it is so many times as much. */
function readPart(
  facts: GraphFacts,
  editor: GraphEditor,
  value: string,
  part: string,
  times: number,
): void {
  const uses = facts.view.uses(value);
  const readers = new Set(uses.flatMap((use) => use.kind === "input" ? [use.node] : []));
  for (const reader of readers) {
    const layer = weightedNode(facts, reader);
    if (layer) {
      const factors = new Float64Array(layer.reads.channels.count).fill(times);
      multiplyColumns(editor, layer, factors);
      reader.input[0] = part;
      continue;
    }
    const { index, number } = withNumber(facts, reader)!;
    const isSum = reader.opType === "Add";
    const own = Math.fround(isSum ? number / times : number * times);
    const [output] = reader.output;
    const inside = facts.view.uses(output).every(({ kind }) => kind === "input");
    if (!isSum && own === 1 && inside) {
      editor.remove([reader]);
      editor.replaceUses(output, part);
      continue;
    }
    reader.input[index] = editor.constant(reader.input[index], "float32", [], [own]);
    reader.input[1 - index] = part;
    if (!isSum) continue;
    reader.output[0] = editor.name(`${output}/gated`);
    readPart(facts, editor, output, reader.output[0], times);
  }
}

/** Writes a gate as HardSigmoid, and has those that read its product take the factor between them over. */
function rewrite(
  facts: GraphFacts,
  editor: GraphEditor,
  { sum, clip, product, value, shift, most }: Gate,
): void {
  const gate = editor.node(clip.name, "HardSigmoid", [value], [editor.name(clip.output[0])], {
    alpha: { f: 1 / most },
    beta: { f: shift / most },
  });
  gate.name = clip.name;
  editor.replace(clip, gate);
  editor.remove([sum]);
  product.input = product.input.map((name) => name === clip.output[0] ? gate.output[0] : name);
  // It is another value now, which is not to be taken for the one of this name.
  const [output] = product.output;
  product.output[0] = editor.name(`${output}/gated`);
  readPart(facts, editor, output, product.output[0], most);
}

/** Rewrites the gates that are wanted in a copy of a model; gives the names of their Clips. */
export function rewriteGates(
  model: OnnxModel,
  wanted: (gate: Gate) => boolean,
): { model: OnnxModel; names: string[] } {
  const copy = model.clone();
  const { graph, messages } = copy;
  const facts = new GraphFacts(graph);
  const editor = new GraphEditor(graph, messages);
  const gates = gatesOf(facts).filter(wanted);
  const names = gates.map(({ clip }) => nodeName(clip));
  for (const gate of gates) rewrite(facts, editor, gate);
  editor.apply();
  removeUnusedInitializers(graph);
  removeUnusedValueInfos(graph);
  return { model: copy, names };
}

async function writeGates(
  state: ImprovedModel,
  tools: ImproveTools,
  found: unknown,
): Promise<Remedied | undefined> {
  const { calibration: { model: float }, options } = state;
  if (found === undefined) {
    if (!tools.isToBeFast) return undefined;
    if (await tools.takes((await quantizedState(state)).model) <= 1) return undefined;
  }
  const named = new Set([...options.nodesToExclude ?? [], ...options.nodesToQuantize ?? []]);
  const given = found === undefined ? undefined : new Set(namesOf(found));
  const { model, names } = rewriteGates(
    float,
    ({ sum, clip, product }) =>
      given?.has(nodeName(clip)) ?? ![sum, clip, product].some((node) => named.has(nodeName(node))),
  );
  if (given && names.length < given.size) {
    throw new OnnxError("the recipe rewrites gates that the model has not");
  }
  if (names.length === 0) return undefined;
  return {
    state: {
      ...state,
      calibration: await tools.recalibrate(model, state, options),
      ...{ weights: new Map(), uncorrected: undefined },
    },
    found: names,
    summary:
      `${names.length} products with a sum that is cut off, as in HardSwish, have HardSigmoid`,
  };
}

/**
 * Where a model is too slow, `v · Clip(x + 3, 0, 6)` is written `v · HardSigmoid(x)`: in float onnxruntime computes that
 * together with the convolution before, as HardSwish, and in bytes it is a node less. The factor of 6 between them goes
 * into what reads the product.
 */
export const fuseGates: Remedy = {
  name: "gates",
  purpose: "writes HardSwish so that runtimes fuse it, where the model is too slow",
  rewrites: true,
  apply: writeGates,
};
