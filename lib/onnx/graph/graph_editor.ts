/**
 * Changing a graph in place.
 *
 * @module
 */
import type { OnnxDataType } from "../file/data_type.ts";
import type { AttributeValue, OnnxMessages } from "../file/messages.ts";
import { equalBytes } from "../file/model_source.ts";
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { definedValues, subgraphs } from "../file/subgraphs.ts";
import { type TensorElements, writeTensor } from "../file/tensor_data.ts";
import type { GraphView } from "./graph_view.ts";
import { ShapeFacts } from "./infer_shapes.ts";
import { UniqueNames } from "./unique_names.ts";

/** Constants up to this size, such as scales, are shared whatever they are called. */
const SHARED_BYTES = 8192;

/** A constant that was made here. */
interface Made {
  readonly tensor: TensorProto;
  /** What an equal one is found by; nothing once it has numbers of its own. */
  readonly key: string | undefined;
  /** Whether it was handed out more than once. */
  shared: boolean;
}

/** Attributes by name; a bare number is an integer. */
export type Attributes = Readonly<Record<string, AttributeValue | number>>;

/**
 * The names, constants and nodes of one graph, and all that is changed in it. Constants are there at once.
 * Changes of nodes are collected and come with {@linkcode GraphEditor.apply}, all in one pass over the graph;
 * until then {@linkcode GraphEditor.view} and {@linkcode GraphEditor.facts} show the nodes as they were.
 */
export class GraphEditor {
  private known?: ShapeFacts;
  private readonly made = new Map<string, Made>();
  private readonly byKey = new Map<string, Made>();
  private first: NodeProto[] = [];
  private last: NodeProto[] = [];
  private readonly after = new Map<NodeProto, NodeProto[]>();
  private readonly replaced = new Map<NodeProto, readonly NodeProto[]>();
  private readonly renamed = new Map<string, string>();

  /**
   * An editor of a graph.
   *
   * @param names keeps names unique; shared by the editors of graphs inside of each other.
   */
  constructor(
    readonly graph: GraphProto,
    readonly messages: OnnxMessages,
    private readonly names: UniqueNames = new UniqueNames(graph),
  ) {}

  /** Shapes and element types, as of the last {@linkcode GraphEditor.apply}. */
  get facts(): ShapeFacts {
    return this.known ??= new ShapeFacts(this.graph);
  }

  /** Who makes and reads the values, as of the last {@linkcode GraphEditor.apply}. */
  get view(): GraphView {
    return this.facts.view;
  }

  /** The name wished for, or one like it that nothing has yet. */
  name(wish: string): string {
    return this.names.name(wish);
  }

  /** The constant with this name that no caller can replace, one that was just made too. */
  constantTensor(name: string): TensorProto | undefined {
    return this.made.get(name)?.tensor ?? this.facts.constant(name);
  }

  /**
   * The name of a constant. Equal ones are made once: small ones whatever they are called, others if they are
   * called the same.
   *
   * @param own whether an array of integers of 8 bits becomes the constant's own; else elements are copied.
   */
  constant(
    wish: string,
    dtype: OnnxDataType,
    dims: readonly number[],
    elements: TensorElements,
    own = false,
  ): string {
    const tensor = this.messages.tensor(wish, dtype, dims, elements, own);
    const { rawData: bytes } = tensor;
    const content = bytes.length <= SHARED_BYTES ? bytes.toString() : wish;
    const key = dtype === "string" ? undefined : `${dtype} [${dims}] ${content}`;
    const known = key === undefined ? undefined : this.byKey.get(key);
    if (known && equalBytes(known.tensor.rawData, bytes)) {
      known.shared = true;
      return known.tensor.name;
    }
    tensor.name = this.name(wish);
    this.graph.initializer.push(tensor);
    const made = { tensor, key, shared: false };
    this.made.set(tensor.name, made);
    if (key !== undefined) this.byKey.set(key, made);
    return tensor.name;
  }

  /** Gives a node's input other numbers; the constant keeps its name if nothing else reads it. */
  replaceConstant(
    node: NodeProto,
    index: number,
    dtype: OnnxDataType,
    dims: readonly number[],
    elements: TensorElements,
  ): void {
    const name = node.input[index];
    const made = this.made.get(name);
    const tensor = made?.tensor ?? this.view.initializer(name);
    const shared = made ? made.shared : this.view.uses(name).length !== 1;
    if (!tensor || shared) {
      node.input[index] = this.constant(name, dtype, dims, elements);
      return;
    }
    writeTensor(tensor, dtype, dims, elements);
    if (made?.key !== undefined) this.byKey.delete(made.key);
  }

  /**
   * A new node of ONNX's own domain, which is nowhere yet.
   *
   * @param wish its name, or one like it.
   */
  node(
    wish: string,
    opType: string,
    input: readonly string[],
    output: readonly string[],
    attributes: Attributes = {},
  ): NodeProto {
    const values = Object.entries(attributes).map(([name, value]) =>
      [name, typeof value === "number" ? { i: value } : value] as const
    );
    return this.messages.node({
      name: this.name(wish),
      opType,
      input,
      output,
      attributes: Object.fromEntries(values),
    });
  }

  /**
   * Puts a node that makes one value at the end.
   *
   * @param wish begins the value's name, which the node has too.
   * @returns the value.
   */
  add(
    wish: string,
    opType: string,
    input: readonly string[],
    attributes: Attributes = {},
  ): string {
    const node = this.node(`${wish}/${opType}`, opType, input, [""], attributes);
    node.output[0] = node.name;
    this.last.push(node);
    return node.name;
  }

  /** Puts nodes at the end of the graph. */
  append(...nodes: readonly NodeProto[]): void {
    this.last.push(...nodes);
  }

  /** Puts nodes at the start of the graph, after those that were put there before. */
  prepend(...nodes: readonly NodeProto[]): void {
    this.first.push(...nodes);
  }

  /** Puts nodes right after another, or after those that were put there before. */
  insertAfter(node: NodeProto, ...nodes: readonly NodeProto[]): void {
    const those = this.after.get(node);
    if (those) those.push(...nodes);
    else this.after.set(node, [...nodes]);
  }

  /** Puts nodes in the place of another. */
  replace(node: NodeProto, ...nodes: readonly NodeProto[]): void {
    this.replaced.set(node, nodes);
  }

  /** Takes nodes out. */
  remove(nodes: Iterable<NodeProto>): void {
    for (const node of nodes) this.replaced.set(node, []);
  }

  /** Whether the node is to be taken out. */
  isRemoved(node: NodeProto): boolean {
    return this.replaced.has(node);
  }

  /**
   * Makes the nodes that read one value read another, also in graphs inside of them. The graph's outputs
   * keep their names.
   */
  replaceUses(from: string, to: string): void {
    if (from !== to) this.renamed.set(from, to);
  }

  /**
   * Brings the changes into the graph.
   *
   * @returns whether there were any.
   */
  apply(): boolean {
    const { graph, first, last, after, replaced, renamed } = this;
    const changes = first.length + last.length + after.size + replaced.size + renamed.size;
    this.known = undefined; // a constant may be new, or a node have been changed
    if (changes === 0) return false;
    const middle = graph.node.flatMap((node) => [
      ...replaced.get(node) ?? [node],
      ...after.get(node) ?? [],
    ]);
    graph.node = [...first, ...middle, ...last];
    if (renamed.size > 0) {
      const read = (name: string) => this.finalName(name);
      for (const node of graph.node) renameReads(node, read);
    }
    this.first = [];
    this.last = [];
    for (const each of [after, replaced, renamed]) each.clear();
    return true;
  }

  /** What a value is read as, after all that it was replaced by. */
  private finalName(name: string): string {
    const passed: string[] = [];
    let last = name;
    for (let next = this.renamed.get(last); next !== undefined; next = this.renamed.get(last)) {
      passed.push(last);
      last = next;
    }
    for (const each of passed) this.renamed.set(each, last);
    return last;
  }
}

/** Renames what a node reads, and what the graphs inside of it read from around them. */
export function renameReads(node: NodeProto, read: (name: string) => string): void {
  node.input = node.input.map(read);
  for (const inner of subgraphs(node)) {
    const own = definedValues(inner); // values of its own by the same name
    for (const each of inner.node) renameReads(each, (name) => own.has(name) ? name : read(name));
  }
}
