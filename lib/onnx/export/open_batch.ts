/**
 * Which sizes of a graph are the number of samples: what differs between two runs that differ in that alone.
 *
 * @module
 */
import type { Input, Node } from "./nodes.ts";
import type { Step, Steps } from "./steps.ts";

/** Two runs differ in more than the sizes that shapes take from the number of samples. */
class Differs extends Error {}

/** Throws unless the texts of both are the same. */
function same(a: unknown, b: unknown): void {
  if (JSON.stringify(a) !== JSON.stringify(b)) throw new Differs();
}

/** A shape to bring something into, with −1 for the size that differs. */
function openShape(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) throw new Differs();
  const shape = a.map((size, d) => size === b[d] ? size : -1);
  if (shape.filter((size) => size === -1).length > 1) throw new Differs();
  return shape;
}

/** An input for any number of samples. */
function openInput(a: Input, b: Input): Input {
  if (a.kind === "source" && b.kind === "source") {
    same(a.source.id, b.source.id);
    if (a.source.id !== undefined) return a;
    const axes = openShape(a.source.shape, b.source.shape);
    const axis = axes.indexOf(-1);
    return axis < 0 ? a : { kind: "repeated", source: a.source, axis };
  }
  if (a.kind === "parameter" && b.kind === "parameter") same([a.name, a.dims], [b.name, b.dims]);
  else same(a, b);
  return a;
}

function openNode(a: Node, b: Node): Node {
  same([a.opType, a.inputs.length], [b.opType, b.inputs.length]);
  if (a.layer !== b.layer) throw new Differs();
  same(a.attributes, b.attributes);
  const [last, other] = [a.inputs.at(-1), b.inputs.at(-1)];
  const shapes = a.opType === "Reshape" && last?.kind === "int" && other?.kind === "int";
  const data = shapes ? a.inputs.slice(0, -1) : a.inputs;
  const inputs = data.map((input, i) => openInput(input, b.inputs[i]));
  if (!shapes) return { ...a, inputs };
  return { ...a, inputs: [...inputs, { ...last, values: openShape(last.values, other.values) }] };
}

function openStep(a: Step, b: Step): Step {
  same([a.name, a.nodes.length], [b.name, b.nodes.length]);
  const result = openInput(a.result, b.result);
  return { ...a, result, nodes: a.nodes.map((node, i) => openNode(node, b.nodes[i])) };
}

/**
 * The steps of a run for any number of samples.
 *
 * @param a the steps of a run.
 * @param b those of one with more samples.
 * @returns undefined if the runs differ in other ways, so that the steps are right for one number only.
 */
export function openBatch(a: Steps, b: Steps): Steps | undefined {
  const open = (x: readonly Step[], y: readonly Step[]) => {
    if (x.length !== y.length) throw new Differs();
    return x.map((step, i) => openStep(step, y[i]));
  };
  try {
    return { steps: open(a.steps, b.steps), outputs: open(a.outputs, b.outputs) };
  } catch (error) {
    if (error instanceof Differs) return undefined;
    throw error;
  }
}
