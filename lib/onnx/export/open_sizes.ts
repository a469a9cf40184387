/**
 * Which sizes of a graph stay open: what differs between runs of which each differs from the first in one size of
 * the inputs.
 *
 * @module
 */
import type { Input, Node } from "./nodes.ts";
import { type OpenName, type Size, sizeOf } from "./size.ts";
import type { Step, Steps } from "./steps.ts";

/** Runs differ in more than what follows from the open sizes. */
export class Differs extends Error {
  /** @param step the name of the step that does. */
  constructor(readonly step: string) {
    super();
  }
}

/** Opens one step. */
class Opener {
  constructor(private readonly name: string, private readonly open: readonly OpenName[]) {}

  /** Throws unless the texts of all are the same. */
  private same(values: readonly unknown[]): void {
    const texts = values.map((value) => JSON.stringify(value));
    if (texts.some((text) => text !== texts[0])) throw new Differs(this.name);
  }

  /** What numbers are of the open sizes; undefined where it cannot be told. */
  private sizes(runs: readonly (readonly Size[])[]): (Size | undefined)[] {
    this.same(runs.map(({ length }) => length));
    return runs[0].map((_, i) => sizeOf(runs.map((values) => values[i] as number), this.open));
  }

  private known(sizes: readonly (Size | undefined)[]): Size[] {
    return sizes.map((size) => {
      if (size === undefined) throw new Differs(this.name);
      return size;
    });
  }

  /** A shape to bring something into: one of its sizes follows from the others. */
  private target(runs: readonly (readonly Size[])[]): Size[] {
    const sizes = this.sizes(runs);
    const unknown = sizes.indexOf(undefined);
    const at = unknown < 0 ? sizes.findLastIndex((size) => typeof size !== "number") : unknown;
    return this.known(at < 0 ? sizes : sizes.with(at, -1));
  }

  input(runs: readonly Input[], isTarget = false): Input {
    const [first] = runs;
    this.same(runs.map(({ kind }) => kind));
    switch (first.kind) {
      case "source": {
        const sources = runs.map((input) => (input as typeof first).source);
        this.same(sources.map(({ id }) => id));
        if (first.source.id !== undefined) return first;
        const sizes = this.known(this.sizes(sources.map(({ shape }) => shape)));
        const isOne = sources.every(({ buffer }) => buffer === first.source.buffer) &&
          sizes.every((size) => typeof size === "number");
        if (isOne) return first;
        return { kind: "opened", sources, sizes };
      }
      case "int": {
        const values = runs.map((input) => (input as typeof first).values);
        return {
          ...first,
          values: isTarget ? this.target(values) : this.known(this.sizes(values)),
        };
      }
      case "parameter":
        this.same(
          runs.map((input) => [(input as typeof first).name, (input as typeof first).dims]),
        );
        return first;
      default:
        this.same(runs);
        return first;
    }
  }

  node(runs: readonly Node[]): Node {
    const [first] = runs;
    this.same(runs.map(({ opType, inputs, attributes }) => [opType, inputs.length, attributes]));
    if (runs.some(({ layer }) => layer !== first.layer)) throw new Differs(this.name);
    const inputs = first.inputs.map((_, i) =>
      this.input(runs.map(({ inputs }) => inputs[i]), first.opType === "Reshape" && i === 1)
    );
    return { ...first, inputs };
  }
}

function openStep(runs: readonly Step[], open: readonly OpenName[]): Step {
  const [first] = runs;
  const opener = new Opener(first.name, open);
  if (runs.some(({ nodes: { length } }) => length !== first.nodes.length)) {
    throw new Differs(first.name);
  }
  const nodes = first.nodes.map((_, i) => opener.node(runs.map(({ nodes }) => nodes[i])));
  return { ...first, nodes, result: opener.input(runs.map(({ result }) => result)) };
}

function openList(runs: readonly (readonly Step[])[], open: readonly OpenName[]): Step[] {
  return runs[0].map((first, i) => {
    if (runs.some((steps) => i >= steps.length)) throw new Differs(first.name);
    return openStep(runs.map((steps) => steps[i]), open);
  });
}

/**
 * The steps of a run for any of the open sizes.
 *
 * @param runs the first, and one for each open size.
 * @throws {Differs} if the runs differ in other ways.
 */
export function openSizes(runs: readonly Steps[], open: readonly OpenName[]): Steps {
  const steps = openList(runs.map(({ steps }) => steps), open);
  return { steps, outputs: openList(runs.map(({ outputs }) => outputs), open) };
}
