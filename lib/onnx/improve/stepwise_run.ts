/**
 * Running a model part after part.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { captures } from "../file/subgraphs.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { type OnnxFeed, type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";

/** What a value holds for a sample; it may be changed, which all that is run later sees. */
export interface HeldValue {
  /** The numbers. */
  readonly data: Float32Array;
  /** Their shape. */
  readonly dims: readonly number[];
}

/**
 * A model that is run on some samples, from some of its values to some later ones, so that each node runs once however
 * often one stops. Between two parts the floats are kept that later nodes read.
 */
export class StepwiseRun {
  private readonly facts: GraphFacts;
  /** The model without its nodes and constants. */
  private readonly frame: OnnxModel;
  private readonly constants: ReadonlyMap<string, TensorProto>;
  private readonly places: ReadonlyMap<NodeProto, number>;
  private readonly held = new Map<string, readonly HeldValue[]>();
  private readonly ran = new Set<NodeProto>();
  /** Those that ran and need not run again. */
  private readonly over = new Set<NodeProto>();
  /** How many nodes that are not over read a value. */
  private readonly readers = new Map<string, number>();

  /**
   * @param model it is not changed, and must stay as it is.
   * @param check called before each sample; what it throws ends the run.
   */
  constructor(
    model: OnnxModel,
    private readonly samples: readonly OnnxFeeds[],
    private readonly check: () => void,
  ) {
    const { graph } = model;
    this.facts = new GraphFacts(graph);
    this.frame = model.clone();
    Object.assign(this.frame.graph, { node: [], initializer: [], valueInfo: [], output: [] });
    this.constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    this.places = new Map(graph.node.map((node, i) => [node, i]));
    for (const node of graph.node) {
      for (const name of valuesReadBy(node)) {
        this.readers.set(name, (this.readers.get(name) ?? 0) + 1);
      }
    }
  }

  /** Runs what some floats depend on; gives what these hold for each sample. */
  async advance(values: readonly string[]): Promise<ReadonlyMap<string, readonly HeldValue[]>> {
    const { part, read } = this.part(values);
    const made = new Map(part.graph.output.map(({ name }): [string, HeldValue[]] => [name, []]));
    await using runtime = await OnnxRuntime.open("tuneOnnx", part);
    for (const [i, sample] of this.samples.entries()) {
      this.check();
      const feeds: [string, OnnxFeeds[string]][] = runtime.inputs.map(({ name }) => [
        name,
        read.has(name) ? this.held.get(name)![i] as OnnxFeed : sample[name],
      ]);
      const results = await runtime.run(Object.fromEntries(feeds));
      for (const [name, list] of made) list.push(results[name] as HeldValue);
    }
    for (const [name, list] of made) this.held.set(name, list);
    const found = new Map(values.map((name) => [name, this.held.get(name)!]));
    for (const name of this.held.keys()) if (!this.isReadLater(name)) this.held.delete(name);
    return found;
  }

  /** The part of the model from what is held to some values and to all that later nodes read; they count as run. */
  private part(values: readonly string[]): { part: OnnxModel; read: ReadonlySet<string> } {
    const { facts: { view }, held, places } = this;
    const needed = new Set<NodeProto>();
    const read = new Set<string>();
    const open = values.filter((name) => !held.has(name));
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const node = view.producer(name);
      if (held.has(name)) read.add(name);
      if (held.has(name) || !node || needed.has(node)) continue;
      needed.add(node);
      open.push(...valuesReadBy(node));
    }
    this.countAsRun(needed);
    const asked = new Set(values);
    const nodes = [...needed].sort((a, b) => places.get(a)! - places.get(b)!);
    const made = nodes.flatMap(({ output }) => output)
      .filter((name) => asked.has(name) || this.isReadLater(name));
    const part = this.frame.clone();
    const { graph, messages } = part;
    const info = (name: string) => messages.valueInfo(name, "float32");
    const inputs = new Set(nodes.flatMap((node) => [...valuesReadBy(node)]));
    graph.node = nodes;
    graph.output = made.map(info);
    graph.initializer = [...inputs].flatMap((name) => this.constants.get(name) ?? []);
    graph.input = [
      ...graph.input.filter(({ name }) => inputs.has(name)),
      ...[...read].map(info),
    ];
    return { part, read };
  }

  /** Takes note of nodes that run; those are over that need not run again for something else than floats that they make. */
  private countAsRun(nodes: ReadonlySet<NodeProto>): void {
    const { facts, ran, over, readers } = this;
    for (const node of nodes) ran.add(node);
    const open = [...nodes];
    for (let node = open.pop(); node; node = open.pop()) {
      const isOver = ran.has(node) && !over.has(node) &&
        node.output.every((name) => facts.isFloat(name) || !readers.get(name));
      if (!isOver) continue;
      over.add(node);
      for (const name of valuesReadBy(node)) {
        readers.set(name, readers.get(name)! - 1);
        const maker = facts.isFloat(name) ? undefined : facts.view.producer(name);
        if (maker) open.push(maker);
      }
    }
  }

  /** Whether a value is one of floats that nodes read which did not run, or are to run again. */
  private isReadLater(name: string): boolean {
    return this.readers.get(name)! > 0 && this.facts.isFloat(name) && !this.facts.isConstant(name);
  }
}

/** The values that a node reads, also from graphs inside of it; each once. */
function valuesReadBy(node: NodeProto): Set<string> {
  return new Set([...node.input, ...captures(node)]);
}
