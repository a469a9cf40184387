/**
 * Writing QuantizeLinear and DequantizeLinear into a graph.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { setAttribute } from "../file/attributes.ts";
import {
  type NodeChanges,
  removeUnusedInitializers,
  removeUnusedValueInfos,
  spliceNodes,
} from "../graph/graph_edit.ts";
import type { OnnxMessages } from "../file/messages.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import type { QuantParams, QuantType } from "./params.ts";
import type { QuantizedConstant } from "./weights.ts";

/** Constants up to this size, such as scales, are looked for among those that are there. */
const SHARED_BYTES = 8192;

/** Puts nodes and constants into one graph; they appear when {@linkcode QdqWriter.finish} is called. */
export class QdqWriter {
  private readonly names: UniqueNames;
  private readonly constants = new Map<string, string>();
  private readonly first: NodeProto[] = [];
  private readonly after = new Map<NodeProto, NodeProto[]>();
  private readonly replaced = new Map<NodeProto, NodeProto[]>();

  /** A writer for a graph, which is changed. */
  constructor(private readonly graph: GraphProto, private readonly messages: OnnxMessages) {
    this.names = new UniqueNames(graph);
  }

  /** The name of a constant; small ones that are equal are written once. */
  private constant(
    wish: string,
    type: QuantType | "int32" | "float32",
    dims: readonly number[],
    data: Float32Array | Int32Array | Int8Array | Uint8Array,
  ): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = bytes.length <= SHARED_BYTES ? `${type} ${dims} ${bytes}` : undefined;
    const known = key && this.constants.get(key);
    if (known) return known;
    const name = this.names.name(wish);
    this.graph.initializer.push(this.messages.tensor(name, type, dims, data));
    if (key) this.constants.set(key, name);
    return name;
  }

  private scalars({ type, scale, zeroPoint }: QuantParams, value: string): [string, string] {
    const integers = type.startsWith("u") ? Uint8Array : Int8Array;
    return [
      this.constant(`${value}_scale`, "float32", [], Float32Array.of(scale)),
      this.constant(`${value}_zero_point`, type, [], integers.of(zeroPoint)),
    ];
  }

  /**
   * Has a value that a node makes go through bytes.
   *
   * @param producer the node.
   * @param from the value as the node makes it.
   * @param to the value as it is read: the same name, which the node's own output then loses, or the name of
   * one whose node was removed.
   */
  produce(producer: NodeProto, from: string, to: string, params: QuantParams): void {
    let raw = from;
    if (from === to) {
      raw = this.names.name(`${from}_float`);
      producer.output = producer.output.map((name) => name === from ? raw : name);
    }
    this.addAfter(producer, this.pair(raw, to, params));
  }

  /**
   * Has a value go through bytes for those who want it so.
   *
   * @param producer the node that makes the value; none for an input of the graph.
   * @returns the name to read.
   */
  offer(producer: NodeProto | undefined, value: string, params: QuantParams): string {
    const read = this.names.name(`${value}_dequantized`);
    const nodes = this.pair(value, read, params);
    if (producer) this.addAfter(producer, nodes);
    else this.first.push(...nodes);
    return read;
  }

  private pair(from: string, to: string, params: QuantParams): NodeProto[] {
    const input = this.scalars(params, to);
    const quantized = this.names.name(`${to}_quantized`);
    return [
      this.node("QuantizeLinear", [from, ...input], quantized),
      this.node("DequantizeLinear", [quantized, ...input], to),
    ];
  }

  private node(
    opType: string,
    input: readonly string[],
    output: string,
    integers: Readonly<Record<string, number>> = {},
  ): NodeProto {
    const attributes = Object.fromEntries(
      Object.entries(integers).map(([name, i]) => [name, { i }]),
    );
    const name = this.names.name(`${output}/${opType}`);
    return this.messages.node({ name, opType, input, output: [output], attributes });
  }

  private addAfter(node: NodeProto, nodes: readonly NodeProto[]): void {
    this.after.set(node, [...this.after.get(node) ?? [], ...nodes]);
  }

  /** Adds a constant in integers and returns the name of its values. */
  addConstant(name: string, constant: QuantizedConstant): string {
    const { type, dims, integers, scale, zeroPoint, axis, blockSize } = constant;
    const perAxis = axis === undefined ? [] : [scale.length];
    const sizes = blockSize ? blockedDims(dims, axis!, blockSize) : perAxis;
    const input = [
      this.constant(`${name}_quantized`, type, dims, integers),
      this.constant(`${name}_scale`, "float32", sizes, scale),
      this.constant(`${name}_zero_point`, type, sizes, zeroPoint),
    ];
    const read = this.names.name(`${name}_dequantized`);
    const attributes = {
      ...(axis === undefined ? {} : { axis }),
      ...(blockSize ? { block_size: blockSize } : {}),
    };
    this.first.push(this.node("DequantizeLinear", input, read, attributes));
    return read;
  }

  /** Adds a bias in 32-bit integers and returns the name of its values. */
  addBias(name: string, integers: Int32Array, scale: Float32Array): string {
    const dims = scale.length === 1 ? [] : [scale.length];
    const input = [
      this.constant(`${name}_quantized`, "int32", [integers.length], integers),
      this.constant(`${name}_quantized_scale`, "float32", dims, scale),
      this.constant(`${name}_quantized_zero_point`, "int32", dims, new Int32Array(scale.length)),
    ];
    const read = this.names.name(`${name}_dequantized`);
    const attributes: Record<string, number> = scale.length === 1 ? {} : { axis: 0 };
    this.first.push(this.node("DequantizeLinear", input, read, attributes));
    return read;
  }

  /** Takes a node out; the value that it made comes from {@linkcode QdqWriter.produce}. */
  remove(node: NodeProto): void {
    this.replaced.set(node, []);
  }

  /**
   * Has a Relu or Clip computed by Max and Min, which are the same. onnxruntime 1.30 looks for its integer
   * kernels that give floats in front of neither, but in front of these.
   *
   * @param bounds the names of the least and the greatest value; none where there is no bound, and 0 for a Relu.
   */
  respellClip(node: NodeProto, bounds: readonly [string | undefined, string | undefined]): void {
    const [low, high] = node.opType === "Relu"
      ? [this.constant("zero", "float32", [], Float32Array.of(0)), undefined]
      : bounds;
    const steps = ([["Max", low], ["Min", high]] as const).filter(([, bound]) => bound);
    let [value] = node.input;
    this.replaced.set(
      node,
      steps.map(([opType, bound], i) => {
        const output = i === steps.length - 1 ? node.output[0] : this.names.name(`${value}_max`);
        const step = this.node(opType, [value, bound!], output);
        value = output;
        return step;
      }),
    );
  }

  /** Makes sure that a Gemm's attribute is written out, since onnxruntime looks for it there. */
  spellOutBeta(node: NodeProto): void {
    setAttribute(this.messages, node, "beta", { f: 1 });
  }

  /** Writes everything into the graph. */
  finish(): void {
    const { first, after, replaced } = this;
    const changes: NodeChanges = { first, after, replace: replaced };
    spliceNodes(this.graph, changes);
    removeUnusedInitializers(this.graph);
    removeUnusedValueInfos(this.graph);
  }
}

/** The shape of the scales of blocks along an axis. */
function blockedDims(dims: readonly number[], axis: number, blockSize: number): number[] {
  return dims.map((size, i) => i === axis ? Math.ceil(size / blockSize) : size);
}
