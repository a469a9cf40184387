/**
 * The part of a graph that depends on constants alone.
 *
 * @module
 */
import { bitsOf, type OnnxDataType } from "../file/data_type.ts";
import type { NodeProto } from "../file/proto.ts";
import { subgraphs } from "../file/subgraphs.ts";
import { elementCount, readTensor, tensorByteSize, tensorDims } from "../file/tensor_data.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphTools } from "./graph_tools.ts";

/** Operators whose result is not the same each time, or that are constants already. */
const KEPT = new Set(
  ("Bernoulli Constant Multinomial QuantizeLinear RandomNormal RandomNormalLike RandomUniform " +
    "RandomUniformLike").split(" "),
);

/** Operators whose outputs together have no more elements than their first input. */
const NO_MORE = new Set("Flatten Reshape Slice Split Squeeze".split(" "));

/** Types that onnxruntime does not hand out in JavaScript. */
const SEALED = /^(bfloat16|float8|float4|complex|u?int[24]$|string)/;

/** Bytes of constants that are read at once. */
const AT_ONCE = 2 ** 29;

/** Nodes that depend on constants alone. */
export interface ConstantPart {
  /** In the graph's order. */
  readonly nodes: ReadonlySet<NodeProto>;
  /** The values that something else reads, and their types. */
  readonly needed: ReadonlyMap<string, OnnxDataType>;
}

/** The nodes that read nothing but constants and each other, in the graph's order. */
function candidates({ editor: { graph }, view }: GraphTools): NodeProto[] {
  // There, DequantizeLinear stands between integers and floats on purpose.
  const quantized = graph.node.some(({ opType }) => opType === "QuantizeLinear");
  const made = new Set([""]);
  return graph.node.filter((node) => {
    const dequantizes = node.opType === "DequantizeLinear";
    const known = isOp(node) || dequantizes && node.domain === "com.microsoft";
    if (!known || KEPT.has(node.opType) || dequantizes && quantized) return false;
    if (subgraphs(node).length > 0) return false;
    if (!node.input.every((name) => made.has(name) || view.isConstant(name))) return false;
    node.output.forEach((name) => made.add(name));
    return true;
  });
}

/** How many elements each output of a node has at most; nothing if that is not known yet. */
function countsOf(
  { opType, input, output }: NodeProto,
  facts: ShapeFacts,
  known: ReadonlyMap<string, number>,
): number[] | undefined {
  const exact = output.map((name) =>
    name ? facts.dims(name)?.reduce<number>((count, size) => count * (size ?? NaN), 1) ?? NaN : 0
  );
  if (exact.every((count) => count >= 0)) return exact;
  const numbers = (name: string | undefined) => {
    const tensor = name ? facts.constant(name) : undefined;
    return tensor && Array.from(readTensor(tensor).data as ArrayLike<number | bigint>, Number);
  };
  const from = known.get(input[0])!;
  const all = (count: number) => count >= 0 ? output.map(() => count) : undefined;
  if (NO_MORE.has(opType)) return all(from);
  if (opType === "Concat") return all(input.reduce((sum, name) => sum + known.get(name)!, 0));
  if (opType === "Tile") return all(from * elementCount(numbers(input[1]) ?? [NaN]));
  if (opType === "Range") {
    const [start, limit, delta] = input.map((name) => numbers(name)?.[0] ?? NaN);
    return all(Math.max(Math.ceil((limit - start) / delta), 0));
  }
  if (opType === "Pad") {
    const [dims, pads] = [facts.dims(input[0]), numbers(input[1])];
    if (!dims || !pads) return undefined;
    const padded = dims.map((size) => size ?? NaN);
    const axes = numbers(input[3]) ?? padded.map((_, axis) => axis);
    axes.forEach((axis, i) => {
      padded[axis < 0 ? axis + padded.length : axis] += pads[i] + pads[i + axes.length];
    });
    return all(elementCount(padded));
  }
  return undefined;
}

/** What is held while nodes are computed one after the other. */
class Ledger {
  /** Elements of each value, at most. */
  readonly counts = new Map<string, number>();
  /** Bytes of results that something still reads. */
  held = 0;
  private readonly results = new Map<string, { readonly bytes: number; readers: number }>();
  private readonly read = new Set<string>();
  private bytesRead = 0;

  constructor(private readonly tools: GraphTools, private readonly room: number) {}

  /** Computes a node, unless too much would have to be held, or its inputs are not there. */
  compute(node: NodeProto, facts: ShapeFacts): boolean {
    const { counts, results, tools: { view } } = this;
    const inputs = new Set(node.input.filter(Boolean));
    let fresh = 0;
    for (const name of inputs) {
      if (results.has(name)) continue;
      const tensor = view.isConstant(name) ? facts.constant(name) : undefined;
      if (!tensor) return false;
      counts.set(name, elementCount(tensorDims(tensor)));
      if (!this.read.has(name)) fresh += tensorByteSize(tensor);
    }
    const made = countsOf(node, facts, counts);
    if (!made || this.bytesRead > 0 && this.bytesRead + fresh > AT_ONCE) return false;
    const bytes = made.map((count, i) =>
      count * bitsOf(facts.dtype(node.output[i]) ?? "int64") / 8
    );
    const held = bytes.reduce((sum, size) => sum + size, this.held);
    if (!(held <= this.room)) return false;
    this.held = held;
    this.bytesRead += fresh;
    inputs.forEach((name) => this.read.add(name));
    node.output.forEach((name, i) => {
      if (!name) return;
      counts.set(name, made[i]);
      results.set(name, { bytes: bytes[i], readers: view.uses(name).length });
    });
    for (const name of node.input) {
      const result = results.get(name);
      if (result && --result.readers === 0) this.held -= result.bytes;
    }
    return true;
  }
}

/**
 * The nodes that read nothing but constants and each other. It is not all of them: how much some make
 * is only known when others were computed.
 *
 * @param room bytes that may be held beside the constants that are there.
 */
export function constantPart(tools: GraphTools, room: number): ConstantPart {
  const { editor: { graph, messages }, view } = tools;
  const found = candidates(tools);
  // What the file says of sizes is left out: it could be anything.
  const { onnx: { GraphProtoSchema }, protobuf: { create } } = messages;
  const { initializer } = graph;
  const facts = new ShapeFacts(create(GraphProtoSchema, { node: found, initializer }));
  const ledger = new Ledger(tools, room);
  const nodes = new Set(found.filter((node) => ledger.compute(node, facts)));
  const needed = new Map<string, OnnxDataType>();
  for (const node of [...nodes].toReversed()) {
    const wanted = node.output.filter((name) =>
      view.uses(name).some((use) => use.kind === "output" || !nodes.has(use.node))
    );
    const types = wanted.map((name) => facts.dtype(name) ?? tools.facts.dtype(name));
    if (types.every((type) => type && !SEALED.test(type))) {
      wanted.forEach((name, i) => needed.set(name, types[i]!));
    } else nodes.delete(node);
  }
  return { nodes, needed: new Map([...needed].toReversed()) };
}
