/**
 * Layers on bytes whose inputs are quantized while the model runs: one kind of layer after the other.
 *
 * @module
 */
import { attributeOf, floatOf, intOf } from "../file/attributes.ts";
import type { NodeProto } from "../file/proto.ts";
import { type FloatConstant, floatConstant } from "../graph/float_constant.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import type { QuantSpec } from "../qdq/params.ts";
import { quantizeConstant, type QuantizedConstant } from "../qdq/weights.ts";
import { transposed } from "./blocks.ts";
import { addScales, castToFloat, channelBytes, withoutBias } from "./channel_bytes.ts";
import { constantInput, type GraphEditors, type PlacedNode } from "./graph_editors.ts";

/** How weights become integers. */
export interface DynamicSpecs {
  readonly weight: QuantSpec;
  /** Whether each output of a layer has a scale of its own. */
  readonly perChannel: boolean;
  /** Whether each output of an LSTM's gates has one. */
  readonly perGate: boolean;
}

/** The names of bytes, their scale and their zero point. */
type Quantized = readonly [bytes: string, scale: string, zeroPoint: string];

/** Writes layers on bytes into the graphs of a model. */
export class DynamicWriter {
  /** Inputs that are quantized already, by the graph and the value. */
  private readonly inputs = new Map<PlacedNode["graph"], Map<string, Quantized>>();
  /** Weights that are in bytes already. */
  private readonly weights = new Map<string, readonly string[]>();
  /** Layers and inputs that were given names. */
  private count = 0;

  constructor(readonly graphs: GraphEditors, readonly specs: DynamicSpecs) {}

  /** Quantizes a value once for all in its graph who read it. */
  input({ editor, graph }: PlacedNode, value: string): Quantized {
    const known = this.inputs.get(graph) ?? new Map<string, Quantized>();
    this.inputs.set(graph, known);
    const there = known.get(value);
    if (there) return there;
    const names = this.names(editor, ["bytes", "scale", "zero_point"]);
    const node = this.graphs.model.messages.node({
      opType: "DynamicQuantizeLinear",
      input: [value],
      output: names,
    });
    const producer = graph.node.find(({ output }) => output.includes(value));
    if (producer) editor.insertAfter(producer, node);
    else editor.prepend(node);
    known.set(value, names);
    return names;
  }

  /** New names for values, short ones: there are half a dozen a layer, each of which is written twice. */
  names<T extends readonly string[]>(
    editor: GraphEditor,
    parts: readonly [...T],
  ): { [K in keyof T]: string } {
    const number = this.count++;
    return parts.map((part) => editor.name(`q${number}_${part}`)) as { [K in keyof T]: string };
  }

  /** Stores a weight once for all who read it so; the names that `store` gives. */
  weight(key: string, store: () => readonly string[]): readonly string[] {
    const known = this.weights.get(key) ?? store();
    this.weights.set(key, known);
    return known;
  }

  /** Adds a weight's bytes and scales. */
  addWeight(
    name: string,
    { type, dims, integers, scale }: QuantizedConstant,
    scaleDims: readonly number[],
  ): readonly string[] {
    const { main } = this.graphs;
    return [
      main.constant(`${name}_quantized`, type, dims, integers, true),
      addScales(main, `${name}_scale`, scaleDims, scale),
    ];
  }
}

/** A kind of layer whose weights there are in bytes. */
export interface DynamicLayer {
  /** The inputs that hold weights. */
  readonly weights: readonly number[];
  /** Along which dimensions of a weight its outputs lie, neighbours; none if it cannot multiply floats with bytes. */
  outputAxes?(node: NodeProto, rank: number): readonly number[];
  /** Why its weights stay float; nothing if they do not. */
  problem(placed: PlacedNode): string | undefined;
  /** Whether onnxruntime has a kernel on bytes for it; by default if it can be written. */
  isOnBytes?(placed: PlacedNode): boolean;
  /** Has it multiply bytes. */
  write?(placed: PlacedNode, writer: DynamicWriter): void;
}

/** The sizes of a constant of float32, or why it is none. */
function weightDims(placed: PlacedNode, index: number): readonly number[] | string {
  const tensor = constantInput(placed, index);
  if (!tensor) return "its weight is no constant";
  const weight = floatConstant(tensor);
  if (!weight) return "its weight is not float32";
  return weight.dims.includes(0) ? "its weight is empty" : weight.dims;
}

/**
 * The nodes that make floats of the sums of products: multiplied by both scales at once, and what is added behind. They
 * have no names, for they are many.
 *
 * @param sums makes the integers of this name.
 */
function scaled(
  { editor, node }: PlacedNode,
  writer: DynamicWriter,
  sums: (name: string) => NodeProto,
  scales: readonly [string, string],
  bias?: string,
): NodeProto[] {
  const { messages } = writer.graphs.model;
  const [output] = node.output;
  const parts = writer.names(editor, ["sums", "floats", "scale", "product"]);
  const [integers, floats, scale] = parts;
  const product = bias ? parts[3] : output;
  const make = (opType: string, input: readonly string[], output: string) =>
    messages.node({ opType, input, output: [output] });
  const nodes = [
    sums(integers),
    castToFloat(editor, integers, floats),
    make("Mul", scales, scale),
    make("Mul", [floats, scale], product),
  ];
  return bias ? [...nodes, make("Add", [product, bias], output)] : nodes;
}

/** A matrix, or a stack of them, in bytes. */
function quantizeMatrix(weight: FloatConstant, { weight: spec, perChannel }: DynamicSpecs) {
  const axis = perChannel ? weight.dims.length - 1 : undefined;
  if (weight.dims.length === 2) {
    const quantized = channelBytes(weight, spec, axis);
    return axis === undefined ? quantized : withoutBias(weight, quantized, spec, axis);
  }
  // Its columns have a scale for all of the stack.
  return quantizeConstant(weight, spec, axis);
}

/** MatMul and Gemm: MatMulInteger. */
const product: DynamicLayer = {
  weights: [1],
  outputAxes: (node, rank) => [intOf(node, "transB", 0) ? 0 : rank - 1],
  problem(placed) {
    const dims = weightDims(placed, 1);
    if (typeof dims === "string") {
      return constantInput(placed, 1) ? dims : "its second factor is no constant";
    }
    return dims.length < 2 ? "its weight is a vector" : undefined;
  },
  isOnBytes: ({ node }) =>
    node.opType === "MatMul" || intOf(node, "transA", 0) === 0 &&
      floatOf(node, "alpha", 1) === 1 && floatOf(node, "beta", 1) === 1,
  write(placed, writer) {
    const { editor, node } = placed;
    const tensor = constantInput(placed, 1)!;
    const turned = node.opType === "Gemm" && intOf(node, "transB", 0) !== 0;
    const [bytes, scale, zero] = writer.weight(`${tensor.name} ${turned}`, () => {
      using weight = floatConstant(tensor)!;
      const [rows, columns] = weight.dims;
      const matrix = turned
        ? { dims: [columns, rows], data: transposed(weight.data, rows, columns) }
        : weight;
      const quantized = quantizeMatrix(matrix, writer.specs);
      const dims = quantized.axis === undefined ? [] : [quantized.scale.length];
      return withZeroPoint(writer, tensor.name, quantized, dims);
    });
    const [input, inputScale, zeroPoint] = writer.input(placed, node.input[0]);
    const bias = node.opType === "Gemm" ? node.input[2] : undefined;
    const sums = (name: string) =>
      writer.graphs.model.messages.node({
        name: node.name,
        opType: "MatMulInteger",
        input: [input, bytes, zeroPoint, ...zero ? [zero] : []],
        output: [name],
      });
    editor.replace(
      node,
      ...scaled(placed, writer, sums, [inputScale, scale], bias || undefined),
    );
  },
};

/** Adds a weight, and its zero points if it has any. */
function withZeroPoint(
  writer: DynamicWriter,
  name: string,
  quantized: QuantizedConstant,
  dims: readonly number[],
): readonly string[] {
  const names = writer.addWeight(name, quantized, dims);
  const { type, zeroPoint } = quantized;
  if (zeroPoint.every((zero) => zero === 0)) return names;
  const { main } = writer.graphs;
  return [...names, main.constant(`${name}_zero_point`, type, dims, zeroPoint)];
}

/** Inputs of a channel's products below which bytes gain nothing. */
const SHORT = 16;

/** Signed bytes as unsigned ones, around 128: onnxruntime has had a kernel of ConvInteger for these alone. */
function unsigned({ integers, ...rest }: QuantizedConstant): QuantizedConstant {
  const shifted = Uint8Array.from(integers, (q) => q + 128);
  return { ...rest, type: "uint8", integers: shifted };
}

/** Why the weight of a convolution stays float. */
function filterProblem(placed: PlacedNode): string | undefined {
  const dims = weightDims(placed, 1);
  if (typeof dims === "string") return dims;
  return dims.length < 3 ? "its weight has too few dimensions" : undefined;
}

/** Conv: ConvInteger, with weights around one zero point. */
const convolution: DynamicLayer = {
  weights: [1],
  outputAxes: () => [0],
  problem: filterProblem,
  isOnBytes(placed) {
    const [, ...inputs] = constantInput(placed, 1)!.dims;
    return inputs.reduce((n, size) => n * Number(size), 1) >= SHORT;
  },
  write(placed, writer) {
    const { editor, node } = placed;
    const { main } = writer.graphs;
    const tensor = constantInput(placed, 1)!;
    const rank = tensor.dims.length;
    const [bytes, scale] = writer.weight(`${tensor.name} conv`, () => {
      using weight = floatConstant(tensor)!;
      const spec: QuantSpec = { ...writer.specs.weight, type: "int8", symmetric: true };
      const axis = writer.specs.perChannel ? 0 : undefined;
      const quantized = unsigned(channelBytes(weight, spec, axis));
      const dims = axis === undefined ? [] : channelDims(weight.dims[0], rank);
      return writer.addWeight(tensor.name, quantized, dims);
    });
    const middle = main.constant("convolution_zero_point", "uint8", [], [128]);
    const [input, inputScale, zeroPoint] = writer.input(placed, node.input[0]);
    const sums = (name: string) => {
      const made = writer.graphs.model.messages.node({
        name: node.name,
        opType: "ConvInteger",
        input: [input, bytes, zeroPoint, middle],
        output: [name],
      });
      made.attribute = [...node.attribute];
      return made;
    };
    const { bias, nodes } = biasOf(placed, writer, rank);
    editor.replace(
      node,
      ...nodes,
      ...scaled(placed, writer, sums, [inputScale, scale], bias),
    );
  },
};

/** The shape that a number a channel has beside maps of this rank. */
function channelDims(channels: number, rank: number): number[] {
  return [channels, ...new Array<number>(rank - 2).fill(1)];
}

/** What a convolution adds, in a shape that is broadcast along its channels, and the nodes that give it that. */
function biasOf(placed: PlacedNode, { graphs }: DynamicWriter, rank: number) {
  const { editor, node } = placed;
  const name = node.input[2];
  if (!name) return { nodes: [] };
  const tensor = constantInput(placed, 2);
  const bias = tensor && floatConstant(tensor);
  if (bias) {
    const dims = channelDims(bias.data.length, rank);
    const constant = graphs.main.constant(`${name}_channels`, "float32", dims, bias.data);
    return { bias: constant, nodes: [] };
  }
  const shape = graphs.main.constant("channels", "int64", [rank - 1], channelDims(-1, rank));
  const shaped = editor.name(`${name}_channels`);
  return {
    bias: shaped,
    nodes: [editor.node(`${name}/Reshape`, "Reshape", [name, shape], [shaped])],
  };
}

/** A recurrent layer: rows of its weights are outputs of its gates, in each direction. */
const recurrent: DynamicLayer = {
  weights: [1, 2],
  outputAxes: () => [0, 1],
  problem(placed) {
    for (const i of [1, 2]) {
      const dims = weightDims(placed, i);
      if (typeof dims === "string") return dims;
      if (dims.length !== 3) return "its weight has not 3 dimensions";
    }
  },
};

/** LSTM: onnxruntime's DynamicQuantizeLSTM, which quantizes its inputs and its state itself. */
const lstm: DynamicLayer = {
  ...recurrent,
  // DynamicQuantizeLSTM has no batch that comes first.
  isOnBytes: ({ node }) => intOf(node, "layout", 0) === 0,
  write(placed, writer) {
    const { editor, node } = placed;
    const { main } = writer.graphs;
    const store = (index: number) => {
      const tensor = constantInput(placed, index)!;
      return writer.weight(`${tensor.name} lstm`, () => {
        using weight = floatConstant(tensor)!;
        const { integers, scale, dims } = turnedGates(weight, writer.specs);
        return [
          main.constant(`${tensor.name}_quantized`, "int8", dims, integers, true),
          addScales(main, `${tensor.name}_scale`, scale.dims, scale.data),
          main.constant(
            `${tensor.name}_zero_point`,
            "int8",
            scale.dims,
            new Int8Array(scale.data.length),
          ),
        ];
      });
    };
    const [w, wScale, wZero] = store(1);
    const [r, rScale, rZero] = store(2);
    const rest = Array.from({ length: 5 }, (_, i) => node.input[i + 3] ?? "");
    const made = writer.graphs.model.messages.node({
      name: node.name,
      opType: "DynamicQuantizeLSTM",
      domain: "com.microsoft",
      input: [node.input[0], w, r, ...rest, wScale, wZero, rScale, rZero],
      output: node.output,
    });
    made.attribute = node.attribute.filter(({ name }) => name !== "layout");
    writer.graphs.model.setOpset(1, "com.microsoft");
    editor.replace(node, made);
  },
};

/** The weights of gates, directions × gates × inputs, in bytes and each direction transposed. */
function turnedGates({ dims: [directions, gates, inputs], data }: FloatConstant, {
  weight: spec,
  perGate,
}: DynamicSpecs) {
  const symmetric: QuantSpec = { ...spec, type: "int8", symmetric: true };
  const size = gates * inputs;
  const integers = new Int8Array(directions * size);
  const scales: Float32Array[] = [];
  for (let d = 0; d < directions; d++) {
    const part = { dims: [gates, inputs], data: data.subarray(d * size, (d + 1) * size) };
    const quantized = channelBytes(part, symmetric, perGate ? 0 : undefined);
    scales.push(quantized.scale);
    for (let g = 0, i = 0; g < gates; g++) {
      for (let k = 0; k < inputs; k++) {
        integers[d * size + k * gates + g] = quantized.integers[i++];
      }
    }
  }
  const scale = Float32Array.from(scales.flatMap((each) => [...each]));
  const scaleDims = perGate ? [directions, gates] : [directions];
  return {
    integers,
    dims: [directions, inputs, gates],
    scale: { dims: scaleDims, data: scale },
  };
}

/** onnxruntime's own Attention: QAttention. */
const attention: DynamicLayer = {
  weights: [1],
  problem(placed) {
    const { node } = placed;
    const dims = weightDims(placed, 1);
    if (typeof dims === "string") return dims;
    if (dims.length !== 2) return "its weight is no matrix";
    if (!node.input[2]) return "it has no bias, which QAttention needs";
    if (attributeOf(node, "qkv_hidden_sizes")) return "its queries, keys and values differ in size";
    const more = node.input.slice(5).some(Boolean) || intOf(node, "do_rotary", 0) !== 0;
    return more ? "QAttention has not all of its inputs" : undefined;
  },
  write(placed, writer) {
    const { editor, node } = placed;
    const tensor = constantInput(placed, 1)!;
    const [bytes, scale] = writer.weight(`${tensor.name} attention`, () => {
      using weight = floatConstant(tensor)!;
      const spec: QuantSpec = { ...writer.specs.weight, type: "int8", symmetric: true };
      const quantized = quantizeMatrix(weight, { ...writer.specs, weight: spec });
      const dims = quantized.axis === undefined ? [] : [quantized.scale.length];
      return writer.addWeight(tensor.name, quantized, dims);
    });
    const [input, inputScale, zeroPoint] = writer.input(placed, node.input[0]);
    const [, , bias, mask = "", past = ""] = node.input;
    const made = writer.graphs.model.messages.node({
      name: node.name,
      opType: "QAttention",
      domain: "com.microsoft",
      input: [input, bytes, bias, inputScale, scale, mask, zeroPoint, "", past],
      output: node.output,
    });
    made.attribute = [...node.attribute];
    editor.replace(node, made);
  },
};

/** The kinds of layers by ONNX's operators. */
const LAYERS: ReadonlyMap<string, DynamicLayer> = new Map([
  ["Conv", convolution],
  ["ConvTranspose", { weights: [1], outputAxes: () => [1], problem: filterProblem }],
  ["GRU", recurrent],
  ["Gemm", product],
  ["LSTM", lstm],
  ["MatMul", product],
  ["RNN", recurrent],
]);

/** The operators that have weights and may be on bytes. */
export const DYNAMIC_OPERATORS: readonly string[] = ["Attention", ...LAYERS.keys()];

/** The kind of layer that a node is, if it is one. */
export function layerOf(node: NodeProto): DynamicLayer | undefined {
  if (node.domain === "com.microsoft" && node.opType === "Attention") return attention;
  return isOp(node) ? LAYERS.get(node.opType) : undefined;
}
