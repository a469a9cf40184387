/**
 * Bringing graphs from float32 into 16 bits.
 *
 * @module
 */
import { attributeOf, intOf, setAttribute } from "../file/attributes.ts";
import { dataTypeCode, dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphProto, NodeProto, TensorProto, ValueInfoProto } from "../file/proto.ts";
import { captures, definedValues, subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { producers } from "../file/topological_order.ts";
import { describeNode } from "../graph/describe_node.ts";
import { renameReads } from "../graph/graph_editor.ts";
import { valueType } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedNodes } from "../graph/unused.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";
import {
  type ConstantFacts,
  constantFacts,
  constantProblem,
  halfConstant,
  type HalfType,
} from "./half_constants.ts";
import {
  fixedInputs,
  fixedOutputs,
  floatOnly,
  onlyMoves,
  takesAny,
  typeAttribute,
} from "./half_operators.ts";

/** What is asked of a conversion. */
export interface HalfOptions {
  /** Opens the errors. */
  readonly where: string;
  readonly type: HalfType;
  /** Whether inputs and outputs of float32 stay so. */
  readonly keepIoTypes: boolean;
  /** Why a node is to stay as it is; nothing if it is not. */
  readonly kept: (node: NodeProto) => string | undefined;
  /** Values of the outermost graph that left the range of float16 on a sample. */
  readonly large: ReadonlySet<string>;
}

/** Whether a value of float32 is one of 16 bits now. */
type Kind = "half" | "float";

/** A constant of float32, of which there may be one of each kind in the end. */
interface Constant {
  readonly tensor: TensorProto;
  readonly graph: GraphProto;
  /** By kind the name. */
  readonly names: Map<Kind, string>;
}

/** What is known of a graph, and of those around it. */
interface Scope {
  readonly graph: GraphProto;
  readonly facts: ShapeFacts;
  readonly outer?: Scope;
  /** The kinds of values that were float32, but for constants. */
  readonly kinds: Map<string, Kind>;
  readonly constants: Map<string, Constant>;
  /** What casts make, by the value and the kind. */
  readonly casts: Map<string, string>;
  /** Those of them that are there already. */
  readonly cast: Set<string>;
  /** Names inside of the graph of outputs that are made in another type, by those outside. */
  readonly inner: Map<string, string>;
}

/** What the innermost graph tells that tells anything. */
function find<T>(
  scope: Scope | undefined,
  get: (scope: Scope) => T | undefined,
): T | undefined {
  for (let each = scope; each; each = each.outer) {
    const found = get(each);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Converts the graphs of one model. */
export class HalfConverter {
  private readonly names: UniqueNames;
  private readonly opset: number;
  /** Why nodes stay float; those that are not here do not. */
  private readonly reasons = new Map<NodeProto, string>();
  private readonly told: QuantizedNode[] = [];
  private readonly constantFacts = new Map<TensorProto, ConstantFacts>();

  /** A converter of a model, which is changed: without functions and with constants as initializers. */
  constructor(private readonly model: OnnxModel, private readonly options: HalfOptions) {
    this.names = new UniqueNames(model.graph);
    this.opset = model.opset();
  }

  /** Converts all; what became of the nodes that compute with float32. */
  convert(): QuantizedNode[] {
    const { keepIoTypes } = this.options;
    this.graph(this.model.graph, undefined, keepIoTypes ? "float" : "half");
    removeIdleCasts(this.model);
    return this.told;
  }

  /** Whether a value was float32. */
  private isFloat(scope: Scope, name: string): boolean {
    return name !== "" && find(scope, (each) => each.facts.dtype(name)) === "float32";
  }

  private constant(scope: Scope, name: string): Constant | undefined {
    for (let each: Scope | undefined = scope; each; each = each.outer) {
      const found = each.constants.get(name);
      if (found || each.kinds.has(name)) return found;
    }
    return undefined;
  }

  private kind(scope: Scope, name: string): Kind | undefined {
    return find(scope, (each) => each.kinds.get(name));
  }

  /** Converts one graph whose inputs and outputs of float32 become of a kind. */
  private graph(graph: GraphProto, outer: Scope | undefined, io: Kind): void {
    const listed = new Set(graph.input.map(({ name }) => name));
    const floats = graph.initializer.filter(({ dataType, name }) =>
      dataType === dataTypeCode("float32") && !listed.has(name)
    );
    const scope: Scope = {
      graph,
      outer,
      facts: new ShapeFacts(graph, outer?.facts),
      kinds: new Map(),
      constants: new Map(
        floats.map((tensor) => [tensor.name, { tensor, graph, names: new Map() }]),
      ),
      casts: new Map(),
      cast: new Set(),
      inner: new Map(),
    };
    const defaults = new Set(graph.initializer.map(({ name }) => name));
    for (const input of graph.input) {
      if (!this.isFloat(scope, input.name)) continue;
      // One with a default keeps its type with that.
      const kind = defaults.has(input.name) ? "float" : io;
      scope.kinds.set(input.name, kind);
      if (kind === "half") this.retype(input);
    }
    this.decide(scope);
    for (const node of graph.node) {
      node.output.forEach((name, i) => {
        if (!this.isFloat(scope, name)) return;
        const half = !this.reasons.has(node) && !fixedOutputs(node).includes(i);
        scope.kinds.set(name, half ? "half" : "float");
      });
    }
    this.nameOutputs(scope, io);
    const nodes: NodeProto[] = [];
    for (const node of graph.node) this.node(scope, node, nodes);
    this.finishOutputs(scope, io, nodes);
    graph.node = nodes;
    for (const info of graph.valueInfo) {
      if (scope.kinds.get(info.name) === "half") this.retype(info);
    }
    this.writeConstants(scope);
  }

  /** Decides which nodes of a graph stay float, and says so. */
  private decide(scope: Scope): void {
    const nodes = scope.graph.node.filter((node) => this.computes(scope, node));
    const readers = new Map<string, NodeProto[]>();
    for (const node of scope.graph.node) {
      for (const name of [...node.input, ...captures(node)]) {
        const those = readers.get(name);
        if (those) those.push(node);
        else readers.set(name, [node]);
      }
    }
    for (const node of nodes) {
      const reason = this.problem(scope, node);
      if (reason !== undefined) this.reasons.set(node, reason);
    }
    this.floatIslands(scope, nodes, readers);
    for (const node of nodes) {
      const reason = this.reasons.get(node);
      const told = { name: nodeName(node), opType: node.opType, quantized: reason === undefined };
      this.told.push(reason === undefined ? told : { ...told, reason });
    }
  }

  /** Whether a node computes with float32, so that it can be brought into 16 bits. */
  private computes(scope: Scope, node: NodeProto): boolean {
    const free = takesAny(node) ? [] : node.input;
    return [...free, ...node.output].some((name) => this.isFloat(scope, name)) ||
      subgraphs(node).length > 0;
  }

  /** Why a node stays float; nothing if it does not. */
  private problem(scope: Scope, node: NodeProto): string | undefined {
    const { kept, large, type } = this.options;
    const told = kept(node) ?? floatOnly(node);
    if (told !== undefined) return told;
    if (type === "bfloat16") return undefined;
    const constant = this.constantProblem(scope, node);
    if (constant !== undefined) return constant;
    if (scope.outer) return undefined;
    const away = [...node.input, ...node.output].find((name) => large.has(name));
    return away && `${JSON.stringify(away)} leaves the range of float16 on a sample`;
  }

  /** Why a node cannot read one of its constants in float16; nothing if it can. */
  private constantProblem(scope: Scope, node: NodeProto): string | undefined {
    const { where } = this.options;
    const fixed = fixedInputs(node, this.opset);
    for (const [i, name] of node.input.entries()) {
      const constant = fixed.includes(i) || takesAny(node) ? undefined : this.constant(scope, name);
      if (!constant) continue;
      const { tensor } = constant;
      const facts = this.constantFacts.get(tensor) ?? constantFacts(tensor);
      this.constantFacts.set(tensor, facts);
      if (facts.nan) {
        throw new OnnxError(
          `${where}: the constant ${JSON.stringify(name)} of ${
            describeNode(node)
          } holds a NaN; mend it`,
        );
      }
      const problem = constantProblem(node, i, facts);
      if (problem !== undefined) return problem;
    }
  }

  /** Has nodes that only move elements between float ones stay float too, so that nothing is cast for them. */
  private floatIslands(
    scope: Scope,
    nodes: readonly NodeProto[],
    readers: ReadonlyMap<string, readonly NodeProto[]>,
  ): void {
    const outputs = new Set(scope.graph.output.map(({ name }) => name));
    const makers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node])));
    const isFloatKind = (name: string) => {
      if (!this.isFloat(scope, name) || this.constant(scope, name)) return true;
      const maker = makers.get(name);
      return maker ? this.reasons.has(maker) : this.kind(scope, name) === "float";
    };
    const staysFloat = (node: NodeProto) => {
      if (this.reasons.has(node) || !onlyMoves(node)) return false;
      const before = takesAny(node) || node.input.every(isFloatKind);
      return before &&
        node.output.every((name) =>
          !outputs.has(name) && (readers.get(name) ?? []).every((reader) =>
            this.reasons.has(reader) || takesAny(reader)
          ) && (readers.get(name) ?? []).some((reader) =>
            this.reasons.has(reader)
          )
        );
    };
    for (let changed = true; changed;) {
      changed = false;
      for (const node of nodes) {
        if (!staysFloat(node)) continue;
        this.reasons.set(node, "it stands between nodes that stay float32");
        changed = true;
      }
    }
  }

  /** Gives outputs that are made in another type other names inside of the graph. */
  private nameOutputs(scope: Scope, io: Kind): void {
    const { graph, kinds, inner: renamed } = scope;
    const inputs = new Set(graph.input.map(({ name }) => name));
    for (const output of graph.output) {
      const { name } = output;
      if (!this.isFloat(scope, name)) continue;
      if (io === "half") this.retype(output);
      const constant = scope.constants.get(name);
      if (constant) constant.names.set(io, name);
      const kind = kinds.get(name);
      if (constant || kind === undefined || kind === io || renamed.has(name)) continue;
      if (inputs.has(name)) {
        const type = this.options.type;
        throw new OnnxError(
          `${this.options.where}: the input ${JSON.stringify(name)} is an output too, and cannot ` +
            `be both ${type} and float32`,
        );
      }
      const inner = this.names.name(`${name}_${kind === "half" ? this.options.type : "float32"}`);
      renamed.set(name, inner);
      kinds.set(inner, kind);
      kinds.set(name, io);
      scope.casts.set(`${inner} ${io}`, name);
    }
    if (renamed.size === 0) return;
    const named = (name: string) => renamed.get(name) ?? name;
    for (const node of graph.node) {
      node.output = node.output.map(named);
      renameReads(node, named);
    }
  }

  /** The name by which a value that was float32 is read as a kind; a Cast is put before who reads it. */
  private read(scope: Scope, name: string, kind: Kind, nodes: NodeProto[]): string {
    const constant = this.constant(scope, name);
    if (constant) return this.constantName(constant, kind);
    const now = this.kind(scope, name);
    if (now === undefined || now === kind) return name;
    const key = `${name} ${kind}`;
    const known = scope.casts.get(key);
    const made = known ?? this.names.name(`${name}_${this.typeOf(kind)}`);
    if (!scope.cast.has(made)) {
      scope.cast.add(made);
      scope.casts.set(key, made);
      scope.kinds.set(made, kind);
      nodes.push(this.cast(name, made, kind));
    }
    return made;
  }

  private typeOf(kind: Kind): OnnxDataType {
    return kind === "half" ? this.options.type : "float32";
  }

  private cast(from: string, to: string, kind: Kind): NodeProto {
    return this.model.messages.node({
      name: this.names.name(`${to}/Cast`),
      opType: "Cast",
      input: [from],
      output: [to],
      attributes: { to: { i: dataTypeCode(this.typeOf(kind)) } },
    });
  }

  private constantName({ names, tensor }: Constant, kind: Kind): string {
    const known = names.get(kind);
    if (known !== undefined) return known;
    const name = names.size === 0
      ? tensor.name
      : this.names.name(`${tensor.name}_${this.typeOf(kind)}`);
    names.set(kind, name);
    return name;
  }

  /** Converts a node, and puts it behind those before with the casts that it needs. */
  private node(scope: Scope, node: NodeProto, nodes: NodeProto[]): void {
    const half = !this.reasons.has(node);
    const fixed = fixedInputs(node, this.opset);
    for (const inner of subgraphs(node)) this.graph(inner, scope, half ? "half" : "float");
    if (takesAny(node)) {
      const [name] = node.input;
      const constant = this.constant(scope, name);
      if (constant) {
        node.input[0] = this.constantName(constant, [...constant.names.keys()][0] ?? "half");
      }
    } else {
      node.input = node.input.map((name, i) => {
        if (!this.isFloat(scope, name) && this.kind(scope, name) === undefined) return name;
        return this.read(scope, name, half && !fixed.includes(i) ? "half" : "float", nodes);
      });
    }
    if (half) this.retypeNode(scope, node);
    nodes.push(node);
  }

  /** Has a node make 16 bits where an attribute says that it makes float32. */
  private retypeNode(scope: Scope, node: NodeProto): void {
    const { messages } = this.model;
    const { type } = this.options;
    if (!node.output.some((name) => this.kind(scope, name) === "half")) return;
    const typed = typeAttribute(node);
    if (typed) {
      const stated = attributeOf(node, typed.name);
      const float = stated ? Number(stated.i) === dataTypeCode("float32") : typed.defaults;
      if (float) setAttribute(messages, node, typed.name, { i: dataTypeCode(type) });
    }
    if (!isOp(node, "Constant", "ConstantOfShape")) return;
    const value = attributeOf(node, "value")?.t;
    const float = value ?? messages.tensor("", "float32", [1], Float32Array.of(0));
    if (float.dataType !== dataTypeCode("float32")) return;
    setAttribute(messages, node, "value", { t: halfConstant(messages, float, float.name, type) });
  }

  /** Makes the outputs that nothing inside of the graph has read in their type. */
  private finishOutputs(scope: Scope, io: Kind, nodes: NodeProto[]): void {
    for (const inner of scope.inner.values()) {
      this.read(scope, inner, io, nodes);
    }
    for (const { name } of scope.graph.output) {
      const outside = this.isFloat(scope, name) && !definedValues(scope.graph).has(name);
      if (outside) {
        // A branch that gives on what is around it.
        const made = this.read(scope, name, io, nodes);
        if (made === name) continue;
        scope.graph.output.filter((each) => each.name === name)
          .forEach((output) => output.name = made);
      }
    }
  }

  private retype(info: ValueInfoProto): void {
    const value = info.type?.value;
    if (value?.case !== "tensorType" || valueType(info.type)?.dtype !== "float32") return;
    value.value.elemType = dataTypeCode(this.options.type);
  }

  /** Writes the constants of a graph in the kinds that are read. */
  private writeConstants({ constants, graph }: Scope): void {
    const { messages } = this.model;
    graph.initializer = graph.initializer.flatMap((tensor) => {
      const constant = constants.get(tensor.name);
      if (!constant) return [tensor];
      const [half, float] = [constant.names.get("half"), constant.names.get("float")];
      const made = half === undefined
        ? []
        : [halfConstant(messages, tensor, half, this.options.type)];
      if (float === undefined) return made;
      tensor.name = float;
      return [tensor, ...made];
    });
  }
}

/**
 * Takes casts out of a model that change nothing: those to the type that a value has, and those that undo the cast from
 * 16 bits before them.
 */
export function removeIdleCasts({ graph }: OnnxModel): void {
  for (const each of walkGraphs(graph)) {
    const facts = new ShapeFacts(each);
    const outputs = new Set(each.output.map(({ name }) => name));
    const makers = producers(each);
    const gone = new Map<string, string>();
    const named = (name: string) => gone.get(name) ?? name;
    each.node = each.node.filter((node) => {
      renameReads(node, named);
      if (!isOp(node, "Cast") || outputs.has(node.output[0])) return true;
      const to = dataTypeName(intOf(node, "to", 0));
      let [from] = node.input;
      const before = makers.get(from);
      const widened = before && isOp(before, "Cast") && isWider(facts, before);
      if (widened) [from] = before.input;
      if (to === undefined || facts.dtype(from) !== to) {
        return true;
      }
      gone.set(node.output[0], named(from));
      return false;
    });
  }
  removeUnusedNodes(graph);
}

/** Whether a cast loses nothing. */
function isWider(facts: ShapeFacts, { input: [from], output: [to] }: NodeProto): boolean {
  return HALVES.includes(facts.dtype(from) ?? "") && facts.dtype(to) === "float32";
}

/** Types of which each number is one of float32 too. */
const HALVES: readonly string[] = ["float16", "bfloat16"];
