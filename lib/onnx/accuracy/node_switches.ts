/**
 * A model in which nodes can be switched between floats and integers from run to run.
 *
 * @module
 */
import type { OnnxCalibration } from "../calibration/calibrate.ts";
import type { OnnxMessages } from "../file/messages.ts";
import type { OnnxModel } from "../file/model.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { definedValues } from "../file/subgraphs.ts";
import { producers } from "../file/topological_order.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { givesFloats, operands } from "../qdq/operators.ts";
import { placeQuantization } from "../qdq/placement.ts";
import { takesNibbles } from "../qdq/quantizer.ts";
import { checkSelection, nodeName } from "../qdq/selection.ts";
import {
  quantizeStatic,
  type QuantizeStaticOptions,
  type TensorOverride,
} from "../quantize_static.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";

/** The name of the input that says which nodes compute with integers. */
const SWITCHES = "switches";

/** A graph with each of some nodes twice, and the names of what the copies make. */
interface Doubled {
  readonly model: OnnxModel;
  /** By the name of what the node itself makes. */
  readonly copies: ReadonlyMap<string, string>;
}

/**
 * Puts a copy behind each of the nodes, which reads the same and which nothing reads. Copies that would share a weight
 * have one each, for the integers of a shared one suit all that read it.
 */
function double(float: OnnxModel, nodes: ReadonlySet<string>): Doubled {
  const model = float.clone();
  const { graph } = model;
  const names = new UniqueNames(graph);
  const copies = new Map<string, string>();
  const spare = float.clone().graph.node;
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const taken = new Set<string>();
  const own = (weight: string) => {
    const tensor = constants.get(weight);
    const shared = tensor && taken.has(weight);
    taken.add(weight);
    if (!shared) return weight;
    const name = names.name(weight);
    graph.initializer.push({ ...tensor, name });
    return name;
  };
  graph.node = graph.node.flatMap((node, i) => {
    if (!nodes.has(nodeName(node))) return [node];
    const [made] = node.output;
    const output = names.name(`${made}/quantized`);
    copies.set(made, output);
    const input = spare[i].input.map((name, at) => at === 1 ? own(name) : name);
    return [node, Object.assign(spare[i], { name: output, input, output: [output] })];
  });
  return { model, copies };
}

/**
 * Scales and zero points of what the copies read and make: those that the nodes themselves have when they are all
 * quantized and nothing between them is. What the caller says of other values is of no account then.
 */
async function overridesOf(
  where: string,
  calibration: OnnxCalibration,
  nodes: readonly string[],
  copies: ReadonlyMap<string, string>,
  options: QuantizeStaticOptions,
): Promise<Record<string, TensorOverride>> {
  const { model } = calibration;
  const selected = { ...options, nodesToQuantize: nodes };
  const facts = new GraphFacts(model.graph);
  const { bytes } = placeQuantization(facts, checkSelection(where, facts, selected));
  const given = Object.entries(options.tensorOverrides ?? {}).filter(([name]) => bytes.has(name));
  const tensorOverrides = Object.fromEntries(given);
  const { activations } = await quantizeStatic(model, calibration, {
    ...selected,
    tensorOverrides,
    verify: false,
  });
  const known = new Map(
    activations.map(({ name, scale, zeroPoint }) => [name, { scale, zeroPoint }]),
  );
  const narrow = options.weightType?.endsWith("4") ?? false;
  const overrides = new Map<string, TensorOverride | undefined>();
  for (const node of model.graph.node) {
    const [made] = node.output;
    const copy = copies.get(made);
    // What has nothing but its weight in bytes reads floats, whatever others make of them.
    const reads = facts.role(node) !== "stores" && !(narrow && takesNibbles(node, facts));
    if (copy === undefined || !reads) continue;
    for (const i of operands(node)) overrides.set(node.input[i], known.get(node.input[i]));
    if (!givesFloats(node)) overrides.set(copy, known.get(made));
  }
  return Object.fromEntries(
    [...overrides].flatMap(([name, params]) => params ? [[name, params]] : []),
  );
}

/** Moves each copy, with what quantizing put around it, into one branch of an If and the node into the other. */
class Switchboard {
  private readonly makers: ReadonlyMap<string, NodeProto>;
  private readonly initializers;
  private readonly names: UniqueNames;
  private readonly moved = new Set<NodeProto | string>();

  constructor(
    private readonly graph: GraphProto,
    private readonly messages: OnnxMessages,
    /** The values of the float model. */
    private readonly outer: ReadonlySet<string>,
  ) {
    this.makers = producers(graph);
    this.initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    this.names = new UniqueNames(graph);
  }

  /** A graph of what a value is made from, up to values of the float model. */
  private branch(output: string): GraphProto {
    const { create } = this.messages.protobuf;
    const nodes = new Set<NodeProto>();
    const constants = new Set<string>();
    const collect = (name: string) => {
      if (this.outer.has(name) || constants.has(name)) return;
      if (this.initializers.has(name)) constants.add(name);
      const maker = this.makers.get(name);
      if (!maker || nodes.has(maker)) return;
      maker.input.forEach(collect);
      nodes.add(maker);
    };
    collect(output);
    for (const each of [...nodes, ...constants]) this.moved.add(each);
    return create(this.messages.onnx.GraphProtoSchema, {
      name: output,
      node: [...nodes],
      initializer: [...constants].map((name) => this.initializers.get(name)!),
      output: [this.messages.valueInfo(output, "float32")],
    });
  }

  /** Puts the switches in. */
  connect(copies: ReadonlyMap<string, string>, opset: number): string {
    const { graph, messages } = this;
    const input = this.names.name(SWITCHES);
    const conditions: string[] = [];
    const choices = new Map<NodeProto, NodeProto>();
    for (const [made, copy] of copies) {
      const node = this.makers.get(made)!;
      const integers = this.branch(copy);
      const float = this.names.name(`${made}/float`);
      const condition = this.names.name(`${made}/switch`);
      conditions.push(condition);
      node.output = [float];
      const floats = messages.protobuf.create(messages.onnx.GraphProtoSchema, {
        name: float,
        node: [node],
        output: [messages.valueInfo(float, "float32")],
      });
      const attributes = { then_branch: { g: integers }, else_branch: { g: floats } };
      choices.set(
        node,
        messages.node({ opType: "If", input: [condition], output: [made], attributes }),
      );
    }
    const split = messages.node({
      opType: "Split",
      input: [input],
      output: conditions,
      attributes: opset < 18 ? {} : { num_outputs: { i: conditions.length } },
    });
    const rest = graph.node.filter((node) => !this.moved.has(node));
    graph.node = [split, ...rest.map((node) => choices.get(node) ?? node)];
    graph.initializer = graph.initializer.filter(({ name }) => !this.moved.has(name));
    graph.input.push(messages.valueInfo(input, "bool", [conditions.length]));
    return input;
  }
}

/**
 * One session of a float model in which each of some nodes can be told to compute with integers, for every run anew.
 * A node that is switched on computes as in a model in which it alone is quantized, whatever others do.
 */
export class NodeSwitches implements AsyncDisposable {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly input: string,
    private readonly nodes: readonly string[],
  ) {}

  /**
   * Quantizes a copy of each node and opens the session.
   *
   * @param where opens the errors.
   * @param calibration the float model and the ranges.
   * @param nodes names of nodes with a weight or a product, each with one output; at least one.
   * @param given how they are quantized.
   * @throws {Error} as `quantizeStatic` does.
   */
  static async open(
    where: string,
    calibration: OnnxCalibration,
    nodes: readonly string[],
    given: QuantizeStaticOptions,
  ): Promise<NodeSwitches> {
    // Each node counts here, whether or not a browser computes it faster with floats.
    const options: QuantizeStaticOptions = { ...given, target: "onnxruntime" };
    const { model: doubled, copies } = double(calibration.model, new Set(nodes));
    const tensorOverrides = await overridesOf(where, calibration, nodes, copies, options);
    const { model } = await quantizeStatic(doubled, calibration.withModel(doubled), {
      ...options,
      nodesToQuantize: [...copies.values()],
      tensorOverrides,
      fillChannels: false, // either copy has to give the same
      verify: false,
    });
    const { graph, messages } = model;
    const board = new Switchboard(graph, messages, definedValues(calibration.model.graph));
    const input = board.connect(copies, model.opset());
    // The copies are in the graph's order.
    const order = calibration.model.graph.node.filter(({ output }) => copies.has(output[0]));
    return new NodeSwitches(await OnnxRuntime.open(where, model), input, order.map(nodeName));
  }

  /**
   * Runs one sample.
   *
   * @param on the names of the nodes that compute with integers.
   * @param outputs the outputs to compute.
   */
  async run(
    feeds: OnnxFeeds,
    on: ReadonlySet<string>,
    outputs: readonly string[],
  ): Promise<Record<string, OnnxOutput>> {
    const data = Uint8Array.from(this.nodes, (name) => on.has(name) ? 1 : 0);
    const switches = { data, dims: [data.length], type: "bool" as const };
    return await this.runtime.run({ ...feeds, [this.input]: switches }, outputs);
  }

  /** Frees the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.release();
  }
}
