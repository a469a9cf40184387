/**
 * From nodes to steps and modules.
 *
 * @module
 */
import { setField } from "../../nn/module.ts";
import { type Tensor, tidy } from "../../tensor/tensor.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { attributeOf } from "../file/attributes.ts";
import { captures } from "../file/subgraphs.ts";
import { fail } from "../file/onnx_error.ts";
import { topologicalOrder } from "../file/topological_order.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { isOp } from "../graph/operator.ts";
import { describeNode } from "../graph/describe_node.ts";
import { ChildNames } from "./child_names.ts";
import type { FloatType } from "./node/element_types.ts";
import type { ImportedConstants } from "./imported_constants.ts";
import { JoinedBiases } from "./join_bias.ts";
import { OnnxBody, OnnxIf, OnnxLoop } from "./control_flow.ts";
import { NodeAttributes } from "./node/node_attributes.ts";
import type { GraphModule, Plan, Source, Step } from "./onnx_graph.ts";
import type { OnnxNode } from "./onnx_node.ts";
import { OnnxOperation } from "./onnx_operation.ts";
import {
  type Layer,
  type LayerNode,
  type OperatorRule,
  readsOnHost,
  TooLarge,
  type WeightForm,
} from "./node/operator_rule.ts";
import { ruleOf } from "./operator_table.ts";
import { type NeededValues, type Place, placeOf } from "./placement.ts";

/** Elements that a result of constants may have to be computed ahead where it may be larger than these. */
const MOST_AHEAD = 1 << 20;

/** The element types of files that become floats. */
const FLOATS: ReadonlySet<string> = new Set(["float16", "bfloat16", "float32", "float64"]);

/** What graphs inside of each other share while they are built. */
export interface BuildContext {
  readonly constants: ImportedConstants;
  readonly float: FloatType;
  readonly needed: NeededValues;
}

/** A value in a slot. */
interface Slotted {
  readonly slot: number;
  readonly place: Place;
}

/** Which field of which child holds which constant of the file. */
export interface ImportedParameter {
  /** The name of the node that the child is; nothing for constants that are no layer's. */
  readonly node: string | undefined;
  readonly child: string;
  readonly field: string;
  readonly constant: string;
  readonly form: WeightForm;
}

/** A layer, and the values of the file that it reads and makes. */
export interface ImportedLayer {
  readonly child: string;
  readonly input: string;
  readonly output: string;
}

/** An input of a graph, and where it is. */
export interface PlacedInput {
  readonly name: string;
  readonly place: Place;
}

/** Puts the nodes of one graph into a module. */
export class GraphBuilder {
  private readonly values = new Map<string, Slotted>();
  private readonly steps: Omit<Step, "last">[] = [];
  private readonly names: ChildNames;
  private readonly fields = new Map<string, string>();
  private readonly fieldNames: ChildNames;
  readonly parameters: ImportedParameter[] = [];
  readonly layers: ImportedLayer[] = [];
  private readonly aliases: Map<string, string>;
  private joined!: JoinedBiases;
  private facts?: ShapeFacts;
  private slots = 0;

  constructor(
    private readonly graph: GraphProto,
    private readonly module: GraphModule,
    private readonly context: BuildContext,
    outerAliases: ReadonlyMap<string, string> = new Map(),
  ) {
    this.aliases = new Map(outerAliases);
    this.names = new ChildNames(module);
    this.fieldNames = new ChildNames(module.constants);
  }

  /** Builds the graph: the module gets its children and constants; what is computed is the result. */
  build(inputs: readonly PlacedInput[]): Plan {
    for (const { name, place } of inputs) this.values.set(name, { slot: this.slots++, place });
    this.addAll(this.graph);
    const { needed } = this.context;
    const outputs = this.graph.output.map(({ name }) => this.source(name, !needed.has(name)));
    return {
      slots: this.slots,
      inputs: inputs.length,
      steps: withLast(this.steps, outputs),
      outputs,
    };
  }

  /** Adds the nodes and constants of a graph: this one, or one inside of it that is computed in any case. */
  private addAll(graph: GraphProto): void {
    for (const tensor of graph.initializer) this.context.constants.add(tensor.name, tensor);
    const joined = new JoinedBiases(graph);
    for (const node of topologicalOrder(graph)) {
      if (joined.isPart(node)) continue;
      this.joined = joined;
      if (isOp(node, "If")) this.addIf(node);
      else if (isOp(node, "Loop")) this.addLoop(node);
      else this.addChecked(node);
    }
  }

  /** An If whose condition is constant is the graph that it chooses. */
  private addIf(node: NodeProto): void {
    const [condition] = node.input;
    const branches = ["then_branch", "else_branch"].map((name) => attributeOf(node, name)!.g!);
    if (this.place(condition) === "constant") {
      const chosen = branches[this.context.constants.numbers(this.resolved(condition))[0] ? 0 : 1];
      this.addAll(chosen);
      node.output.forEach((name, i) =>
        this.aliases.set(name, this.resolved(chosen.output[i].name))
      );
      return;
    }
    const captured = this.captured(node);
    const [yes, no] = branches.map((branch) => this.body(branch, captured));
    this.addNode(node, new OnnxIf(yes, no), [condition, ...captured.map(({ name }) => name)]);
  }

  private addLoop(node: NodeProto): void {
    const { needed } = this.context;
    const body = attributeOf(node, "body")!.g!;
    const captured = this.captured(node);
    const own = body.input.map(({ name }, i): PlacedInput => ({
      name,
      place: i < 2 || needed.has(name) ? "host" : "device",
    }));
    const loop = new OnnxLoop(this.body(body, [...own, ...captured]), body.input.length - 2);
    this.addNode(node, loop, [...node.input, ...captured.map(({ name }) => name)], own);
  }

  /** What graphs inside of a node read of what is computed around them. */
  private captured(node: NodeProto): PlacedInput[] {
    const computed = captures(node).filter((name) => this.place(name) !== "constant");
    return computed.map((name) => ({ name, place: this.place(name)! }));
  }

  private body(graph: GraphProto, inputs: readonly PlacedInput[]): OnnxBody {
    return new OnnxBody((module) => {
      const builder = new GraphBuilder(graph, module, this.context, this.aliases);
      return builder.build(inputs);
    });
  }

  /** Adds a node with graphs inside of it, which reads `read`; those of `carried` where they say. */
  private addNode(
    node: NodeProto,
    module: OnnxNode,
    read: readonly string[],
    carried: readonly PlacedInput[] = [],
  ): void {
    const child = this.names.name(node.name, node.opType);
    setField(this.module, child, module);
    const inputs = read.map((name, i) => this.source(name, carried[i]?.place === "device"));
    const outputs = node.output.map((name) =>
      this.slot(name, this.context.needed.has(name) ? "host" : "device")
    );
    this.steps.push({ child, label: describeNode(node), inputs, outputs, onHost: false });
  }

  /** The value that a name stands for: an output of a graph that is computed in any case has another. */
  private resolved(name: string): string {
    return this.aliases.get(name) ?? name;
  }

  private place(value: string): Place | undefined {
    const name = this.resolved(value);
    if (!name) return undefined;
    return this.context.constants.has(name) ? "constant" : this.values.get(name)!.place;
  }

  /** Adds a node; what is wrong with its constants is told with it. */
  private addChecked(node: NodeProto): void {
    try {
      this.add(node);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
      const why = error.message.replace(/\.$/, "");
      fail(`importOnnx: ${describeNode(node)} does not fit its constants: ${why}`, error);
    }
  }

  private add(node: NodeProto): void {
    const rule = ruleOf(node)!;
    const attributes = new NodeAttributes(node, rule.attributes ?? {});
    const needed = node.output.some((name) => this.context.needed.has(name));
    let place = placeOf(rule, node.input.map((name) => this.place(name)), needed);
    if (place === "constant") {
      if (this.computedAhead(node, rule, attributes)) return;
      place = needed ? "host" : "device";
    }
    const layer = place === "device" ? rule.layer?.(this.layerNode(node, attributes)) : undefined;
    const module = layer?.module ?? this.operation(node, rule, attributes);
    const child = this.names.name(node.name, node.opType);
    setField(this.module, child, module);
    if (layer) this.keepParameters(child, node, layer);
    const read = layer?.inputs ?? node.input.map((_, i) => i);
    const onDevice = place === "device";
    const inputs = read.map((i) =>
      this.source(node.input[i], onDevice && !rule.unread?.includes(i) && !readsOnHost(rule, i))
    );
    const [made] = this.joined.outputsOf(node);
    if (layer) this.layers.push({ child, input: node.input[0], output: made });
    const outputs = [made, ...node.output.slice(1)].map((name) => this.slot(name, place));
    this.steps.push({ child, label: describeNode(node), inputs, outputs, onHost: !onDevice });
  }

  private slot(name: string, place: Place): number {
    if (!name) return -1;
    this.values.set(name, { slot: this.slots, place });
    return this.slots++;
  }

  private operation(
    node: NodeProto,
    rule: OperatorRule,
    attributes: NodeAttributes,
  ): OnnxOperation {
    const { float } = this.context;
    return new OnnxOperation(node.opType, rule, attributes, node.output.length, float);
  }

  /** Computes a node that depends on constants alone, unless its results would be too large. */
  private computedAhead(node: NodeProto, rule: OperatorRule, attributes: NodeAttributes): boolean {
    const { constants } = this.context;
    const operation = this.operation(node, rule, attributes);
    const read = node.input.map((name) => name ? constants.onHost(this.resolved(name)) : undefined);
    let results: readonly Tensor[];
    try {
      results = tidy(() => operation.run(read, constants.host, rule.grows ? MOST_AHEAD : Infinity));
    } catch (error) {
      if (error instanceof TooLarge) return false;
      throw error;
    }
    node.output.forEach((name, i) => {
      if (name) constants.addFolded(name, results[i]);
    });
    return true;
  }

  private source(value: string | undefined, onDevice: boolean): Source {
    const name = this.resolved(value ?? "");
    if (!name) return { from: "nowhere" };
    const { constants } = this.context;
    if (!constants.has(name)) {
      return { from: "slot", slot: this.values.get(name)!.slot, upload: onDevice };
    }
    if (!onDevice) return { from: "host", tensor: constants.onHost(name) };
    return { from: "constants", field: this.constantField(name) };
  }

  /** The field of `constants` that holds a constant on the device. */
  private constantField(name: string): string {
    const known = this.fields.get(name);
    if (known !== undefined) return known;
    const field = this.fieldNames.name(name, "constant");
    setField(this.module.constants, field, this.context.constants.onDevice(name));
    this.fields.set(name, field);
    const parameter = {
      node: undefined,
      child: "constants",
      field,
      constant: name,
      form: "same" as const,
    };
    this.parameters.push(parameter);
    return field;
  }

  private shapeFacts(): ShapeFacts {
    return this.facts ??= new ShapeFacts(this.graph);
  }

  private layerNode(node: NodeProto, attributes: NodeAttributes): LayerNode {
    const { constants } = this.context;
    const named = (i: number) => {
      const name = this.resolved(node.input[i] ?? "");
      return name && constants.has(name) ? name : undefined;
    };
    return {
      node,
      attributes,
      backend: constants.backend,
      constantType: (i) => constants.type(named(i) ?? ""),
      constantNumbers: (i) => named(i) === undefined ? undefined : constants.numbers(named(i)!),
      host: (i) => constants.onHost(named(i)!),
      weight: (i, form) => constants.onDevice(named(i)!, form),
      onDevice: (t, form) => constants.moved(t, form),
      rank: (i) => this.shapeFacts().dims(node.input[i] ?? "")?.length,
      isFloat: (i) => FLOATS.has(this.shapeFacts().dtype(node.input[i] ?? "") ?? ""),
      bias: () => {
        const bias = this.joined.biasOf(node);
        return bias === undefined ? undefined : constants.onDevice(bias);
      },
    };
  }

  private keepParameters(child: string, node: NodeProto, { parameters }: Layer): void {
    for (const { field, input, form } of parameters) {
      const constant = node.input[input];
      this.parameters.push({ node: node.name, child, field, constant, form });
    }
    const bias = this.joined.biasOf(node);
    if (bias !== undefined) {
      this.parameters.push({
        node: node.name,
        child,
        field: "bias",
        constant: bias,
        form: "same" as const,
      });
    }
  }
}

/** Adds to each step which slots nothing reads after it. */
function withLast(steps: readonly Omit<Step, "last">[], outputs: readonly Source[]): Step[] {
  const lastRead = new Map<number, number>();
  steps.forEach((step, at) => {
    for (const slot of step.outputs) if (slot >= 0) lastRead.set(slot, at);
    for (const source of step.inputs) if (source.from === "slot") lastRead.set(source.slot, at);
  });
  for (const source of outputs) if (source.from === "slot") lastRead.delete(source.slot);
  const last = steps.map((): number[] => []);
  for (const [slot, at] of lastRead) last[at].push(slot);
  return steps.map((step, at) => ({ ...step, last: last[at] }));
}
