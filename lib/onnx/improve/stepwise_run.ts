/**
 * Running a model part after part.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { captures } from "../file/subgraphs.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
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
  private readonly held = new Map<string, readonly HeldValue[]>();
  private readonly ran = new Set<NodeProto>();

  /**
   * @param model it is not changed, and must stay as it is.
   * @param check called before each sample; what it throws ends the run.
   */
  constructor(
    private readonly model: OnnxModel,
    private readonly samples: readonly OnnxFeeds[],
    private readonly check: () => void,
  ) {
    this.facts = new GraphFacts(model.graph);
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
    const later = this.readLater();
    for (const name of this.held.keys()) if (!later.has(name)) this.held.delete(name);
    return found;
  }

  /** The part of the model from what is held to some values and to all that later nodes read; they count as run. */
  private part(values: readonly string[]): { part: OnnxModel; read: ReadonlySet<string> } {
    const { facts: { view, graph }, held, ran } = this;
    const needed = new Set<NodeProto>();
    const read = new Set<string>();
    const open = values.filter((name) => !held.has(name));
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      const node = view.producer(name);
      if (held.has(name)) read.add(name);
      if (held.has(name) || !node || needed.has(node)) continue;
      needed.add(node);
      for (const each of [...node.input, ...captures(node)]) open.push(each);
    }
    for (const node of needed) ran.add(node);
    const later = this.readLater();
    const made = [...needed].flatMap(({ output }) => output)
      .filter((name) => values.includes(name) || later.has(name));
    const part = this.model.clone();
    const { messages } = part;
    part.graph.node = part.graph.node.filter((_, i) => needed.has(graph.node[i]));
    const info = (name: string) => messages.valueInfo(name, "float32");
    part.graph.output = made.map(info);
    part.graph.valueInfo = [];
    removeUnusedInitializers(part.graph);
    const inputs = new Set([...needed].flatMap((node) => [...node.input, ...captures(node)]));
    part.graph.input = [
      ...part.graph.input.filter(({ name }) => inputs.has(name)),
      ...[...read].map(info),
    ];
    return { part, read };
  }

  /** The floats that nodes read which did not run, or of which something else than floats is still read. */
  private readLater(): ReadonlySet<string> {
    const { facts, ran } = this;
    const over = new Set<NodeProto>();
    const later = new Set<string>();
    for (const node of facts.graph.node.toReversed()) {
      const isOver = ran.has(node) &&
        node.output.every((name) =>
          facts.isFloat(name) || facts.view.consumers(name).every((reader) => over.has(reader))
        );
      if (isOver) over.add(node);
      else for (const name of [...node.input, ...captures(node)]) later.add(name);
    }
    return new Set([...later].filter((name) => facts.isFloat(name) && !facts.isConstant(name)));
  }
}
