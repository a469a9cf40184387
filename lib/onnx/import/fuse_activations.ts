/**
 * Activations that a file has in several nodes, as one: each is one kernel and one layer then, and its
 * output is what is observed and quantized.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { floatOf } from "../file/attributes.ts";
import type { Attributes } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { type GraphTools, type Pass, withConstant } from "../prepare/graph_tools.ts";

/** An activation that was found. */
interface Found {
  /** The node whose output it is. */
  readonly end: NodeProto;
  /** The value that it is of. */
  readonly x: string;
  /** The nodes that are part of it, without the last. */
  readonly parts: readonly NodeProto[];
  readonly opType: string;
  readonly domain?: string;
  readonly attributes?: Attributes;
}

/** Whether a number is what a file means by it, in any float type. */
function isAbout(value: number | undefined, wanted: number): boolean {
  return value !== undefined && Math.abs(value - wanted) <= 1e-3 * Math.abs(wanted);
}

/** The other operand of a node of these operators that has the number as one. */
function besideNumber(
  tools: GraphTools,
  node: NodeProto | undefined,
  number: number,
  ...opTypes: readonly string[]
): string | undefined {
  if (!node || !isOp(node, ...opTypes)) return undefined;
  const operands = withConstant(node, (name) => tools.scalar(name));
  const wrongSide = operands?.index === 0 && isOp(node, "Div", "Sub");
  return operands && !wrongSide && isAbout(operands.constant, number) ? operands.value : undefined;
}

/** The other operand of a product with a value. */
function besideValue(node: NodeProto | undefined, value: string): string | undefined {
  if (!node || !isOp(node, "Mul") || node.input[0] === node.input[1]) return undefined;
  const at = node.input.indexOf(value);
  return at < 0 ? undefined : node.input[1 - at];
}

/** The only node that reads what another makes. */
function readerOf(tools: GraphTools, node: NodeProto | undefined): NodeProto | undefined {
  const value = node?.output[0];
  return value === undefined ? undefined : tools.view.onlyReader(value);
}

/** The node that makes a value which only one node reads. */
function private_(tools: GraphTools, value: string | undefined): NodeProto | undefined {
  const node = value === undefined ? undefined : tools.view.producer(value);
  return node && tools.view.onlyReader(value!) ? node : undefined;
}

/** `x·(1 + erf(x/√2))/2`, the three factors multiplied in any order. */
function geluAt(tools: GraphTools, erf: NodeProto): Found | undefined {
  if (!isOp(erf, "Erf")) return undefined;
  const inner = private_(tools, erf.input[0]);
  const x = besideNumber(tools, inner, Math.SQRT2, "Div") ??
    besideNumber(tools, inner, Math.SQRT1_2, "Mul");
  const sum = readerOf(tools, erf);
  if (x === undefined || besideNumber(tools, sum, 1, "Add") === undefined) return undefined;
  const first = readerOf(tools, sum);
  const made = sum!.output[0];
  const parts = [inner!, erf, sum!];
  const found = { x, opType: "Gelu", attributes: { approximate: { s: "none" } } };
  const other = besideValue(first, made);
  if (other !== undefined && other !== x) {
    // (x/2)·(1 + erf)
    const half = private_(tools, other);
    if (besideNumber(tools, half, 0.5, "Mul") === x || besideNumber(tools, half, 2, "Div") === x) {
      return { ...found, end: first!, parts: [...parts, half!] };
    }
  }
  const last = readerOf(tools, first);
  if (!last) return undefined;
  const middle = first!.output[0];
  const halvesLast = besideNumber(tools, last, 0.5, "Mul") === middle ||
    besideNumber(tools, last, 2, "Div") === middle;
  if (other === x && halvesLast) return { ...found, end: last, parts: [...parts, first!] };
  const halvesFirst = besideNumber(tools, first, 0.5, "Mul") === made;
  if (halvesFirst && besideValue(last, middle) === x) {
    return { ...found, end: last, parts: [...parts, first!] };
  }
  return undefined;
}

/** `x·clip(x + 3, 0, 6)/6`, divided before or after. */
function hardSwishAt(tools: GraphTools, clip: NodeProto): Found | undefined {
  if (!isOp(clip, "Clip") || tools.scalar(clip.input[1]) !== 0) return undefined;
  if (tools.scalar(clip.input[2]) !== 6) return undefined;
  const sum = private_(tools, clip.input[0]);
  const x = besideNumber(tools, sum, 3, "Add");
  const first = readerOf(tools, clip);
  const last = readerOf(tools, first);
  if (x === undefined || !first) return undefined;
  const found = { x, opType: "HardSwish", end: last!, parts: [sum!, clip, first] };
  const bySix = (node: NodeProto | undefined, of: string) =>
    besideNumber(tools, node, 6, "Div") === of || besideNumber(tools, node, 1 / 6, "Mul") === of;
  const [clipped, middle] = [clip.output[0], first.output[0]];
  if (besideValue(first, clipped) === x && bySix(last, middle)) return found;
  if (bySix(first, clipped) && besideValue(last, middle) === x) return found;
  return undefined;
}

/** `x` times a function of `x`. */
function gatedAt(tools: GraphTools, gate: NodeProto): Found | undefined {
  const product = readerOf(tools, gate);
  const [x] = gate.input;
  if (besideValue(product, gate.output[0]) !== x) return undefined;
  const found = { x, end: product!, parts: [gate] };
  if (isOp(gate, "Sigmoid")) {
    const attributes = { alpha: { f: 1 } };
    return { ...found, opType: "QuickGelu", domain: "com.microsoft", attributes };
  }
  const plain = isOp(gate, "HardSigmoid") && isAbout(floatOf(gate, "alpha", 0.2), 1 / 6) &&
    isAbout(floatOf(gate, "beta", 0.5), 0.5);
  return plain ? { ...found, opType: "HardSwish" } : undefined;
}

const FINDERS = [geluAt, hardSwishAt, gatedAt];

/** Makes one node of those that GELU, HardSwish or SiLU are written with. */
export const fuseActivations: Pass = (tools) => {
  const { editor, view } = tools;
  let changed = false;
  for (const node of editor.graph.node) {
    for (const find of FINDERS) {
      const found = find(tools, node);
      if (!found) continue;
      const { end, x, parts, opType, domain, attributes } = found;
      if (parts.some((part) => editor.isRemoved(part) || view.isOutput(part.output[0]))) continue;
      const made = editor.node(
        end.name || `${end.output[0]}/${opType}`,
        opType,
        [x],
        end.output,
        attributes,
      );
      if (end.name) made.name = end.name;
      if (domain) made.domain = domain;
      editor.replace(end, made);
      editor.remove(parts);
      changed = true;
      break;
    }
  }
  return changed;
};
