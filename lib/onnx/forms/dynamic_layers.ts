/**
 * Layers on bytes whose inputs are quantized while the model runs: one kind of layer after the other.
 *
 * @module
 */
import { attributeOf, floatOf, intOf } from "../file/attributes.ts";
import { dataTypeCode } from "../file/data_type.ts";
import type { NodeProto } from "../file/proto.ts";
import { type FloatConstant, floatConstant } from "../graph/float_constant.ts";
import { isOp } from "../graph/operator.ts";
import type { QuantSpec } from "../qdq/params.ts";
import { quantizeConstant, type QuantizedConstant, quantizeWeight } from "../qdq/weights.ts";
import { transposed } from "./blocks.ts";
import { constantInput, type GraphEditors, type PlacedNode } from "./graph_editors.ts";

/** How weights become integers. */
export interface DynamicSpecs {
  readonly weight: QuantSpec;
  /** Whether each output of a layer has a scale of its own. */
  readonly perChannel: boolean;
}

/** The names of bytes, their scale and their zero point. */
type Quantized = readonly [bytes: string, scale: string, zeroPoint: string];

/** Writes layers on bytes into the graphs of a model. */
export class DynamicWriter {
  /** Inputs that are quantized already, by the graph and the value. */
  private readonly inputs = new Map<PlacedNode["graph"], Map<string, Quantized>>();
  /** Weights that are in bytes already. */
  private readonly weights = new Map<string, readonly string[]>();

  constructor(readonly graphs: GraphEditors, readonly specs: DynamicSpecs) {}

  /** Quantizes a value once for all in its graph who read it. */
  input({ editor, graph }: PlacedNode, value: string): Quantized {
    const known = this.inputs.get(graph) ?? new Map<string, Quantized>();
    this.inputs.set(graph, known);
    const there = known.get(value);
    if (there) return there;
    const names = ["quantized", "scale", "zero_point"].map((part) =>
      editor.name(`${value}_${part}`)
    ) as [string, string, string];
    const node = editor.node(
      `${value}/DynamicQuantizeLinear`,
      "DynamicQuantizeLinear",
      [value],
      names,
    );
    const producer = graph.node.find(({ output }) => output.includes(value));
    if (producer) editor.insertAfter(producer, node);
    else editor.prepend(node);
    known.set(value, names);
    return names;
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
      main.constant(`${name}_scale`, "float32", scaleDims, scale),
    ];
  }
}

/** A kind of layer that there is on bytes. */
export interface DynamicLayer {
  /** The inputs that hold weights. */
  readonly weights: readonly number[];
  /** Why a node stays float; nothing if it does not. */
  problem(placed: PlacedNode): string | undefined;
  /** Puts it on bytes. */
  write(placed: PlacedNode, writer: DynamicWriter): void;
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
 * The nodes that make floats of the sums of products: multiplied by both scales at once, and what is added behind.
 *
 * @param sums the name of the integers.
 */
function scaled(
  { editor, node }: PlacedNode,
  sums: string,
  scales: readonly [string, string],
  bias?: string,
): NodeProto[] {
  const [output] = node.output;
  const floats = editor.name(`${output}_integers`);
  const scale = editor.name(`${output}_scale`);
  const product = bias ? editor.name(`${output}_product`) : output;
  const nodes = [
    editor.node(`${output}/Cast`, "Cast", [sums], [floats], { to: dataTypeCode("float32") }),
    editor.node(`${output}/scale/Mul`, "Mul", [...scales], [scale]),
    editor.node(`${output}/Mul`, "Mul", [floats, scale], [product]),
  ];
  if (bias) nodes.push(editor.node(`${output}/Add`, "Add", [product, bias], [output]));
  return nodes;
}

/** A matrix, or a stack of them, in bytes. */
function quantizeMatrix(weight: FloatConstant, { weight: spec, perChannel }: DynamicSpecs) {
  const axis = perChannel ? weight.dims.length - 1 : undefined;
  if (weight.dims.length === 2) return quantizeWeight(weight, spec, axis);
  // Its columns have a scale for all of the stack.
  return quantizeConstant(weight, spec, axis);
}

/** MatMul and Gemm: MatMulInteger. */
const product: DynamicLayer = {
  weights: [1],
  problem(placed) {
    const { node } = placed;
    const dims = weightDims(placed, 1);
    if (typeof dims === "string") {
      return constantInput(placed, 1) ? dims : "its second factor is no constant";
    }
    if (dims.length < 2) return "its weight is a vector";
    if (node.opType === "MatMul") return undefined;
    if (intOf(node, "transA", 0)) return "its first factor is transposed";
    const scaled = floatOf(node, "alpha", 1) !== 1 || floatOf(node, "beta", 1) !== 1;
    return scaled ? "it multiplies with alpha or beta" : undefined;
  },
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
    const [output] = node.output;
    const sums = editor.name(`${output}_sums`);
    const bias = node.opType === "Gemm" ? node.input[2] : undefined;
    editor.replace(
      node,
      editor.node(
        `${node.name || output}_quant`,
        "MatMulInteger",
        [input, bytes, zeroPoint, ...zero ? [zero] : []],
        [sums],
      ),
      ...scaled(placed, sums, [inputScale, scale], bias || undefined),
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

/** Conv: ConvInteger, with weights around one zero point. */
const convolution: DynamicLayer = {
  weights: [1],
  problem(placed) {
    const dims = weightDims(placed, 1);
    if (typeof dims === "string") return dims;
    if (dims.length < 3) return "its weight has too few dimensions";
    const products = dims.slice(1).reduce((n, size) => n * size, 1);
    return products < SHORT
      ? `each of its results adds up ${products} products only, which is faster in floats`
      : undefined;
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
      const quantized = unsigned(quantizeWeight(weight, spec, axis));
      const dims = axis === undefined ? [] : channelDims(weight.dims[0], rank);
      return writer.addWeight(tensor.name, quantized, dims);
    });
    const middle = main.constant("convolution_zero_point", "uint8", [], [128]);
    const [input, inputScale, zeroPoint] = writer.input(placed, node.input[0]);
    const [output] = node.output;
    const sums = editor.name(`${output}_sums`);
    const made = editor.node(
      `${node.name || output}_quant`,
      "ConvInteger",
      [input, bytes, zeroPoint, middle],
      [sums],
    );
    made.attribute = [...node.attribute];
    const { bias, nodes } = biasOf(placed, writer, rank);
    editor.replace(
      node,
      made,
      ...nodes,
      ...scaled(placed, sums, [inputScale, scale], bias),
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

/** LSTM: onnxruntime's DynamicQuantizeLSTM, which quantizes its inputs and its state itself. */
const lstm: DynamicLayer = {
  weights: [1, 2],
  problem(placed) {
    const { node } = placed;
    for (const i of [1, 2]) {
      const dims = weightDims(placed, i);
      if (typeof dims === "string") return dims;
      if (dims.length !== 3) return "its weight has not 3 dimensions";
    }
    if (intOf(node, "layout", 0)) return "its batch comes first, which DynamicQuantizeLSTM has not";
  },
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
          main.constant(`${tensor.name}_scale`, "float32", scale.dims, scale.data),
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
      name: editor.name(`${node.name || node.output[0]}_quant`),
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
  perChannel,
}: DynamicSpecs) {
  const symmetric: QuantSpec = { ...spec, type: "int8", symmetric: true };
  const size = gates * inputs;
  const integers = new Int8Array(directions * size);
  const scales: Float32Array[] = [];
  for (let d = 0; d < directions; d++) {
    const part = { dims: [gates, inputs], data: data.subarray(d * size, (d + 1) * size) };
    const quantized = quantizeWeight(part, symmetric, perChannel ? 0 : undefined);
    scales.push(quantized.scale);
    for (let g = 0, i = 0; g < gates; g++) {
      for (let k = 0; k < inputs; k++) {
        integers[d * size + k * gates + g] = quantized.integers[i++];
      }
    }
  }
  const scale = Float32Array.from(scales.flatMap((each) => [...each]));
  const scaleDims = perChannel ? [directions, gates] : [directions];
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
      name: editor.name(`${node.name || node.output[0]}_quant`),
      opType: "QAttention",
      domain: "com.microsoft",
      input: [input, bytes, bias, inputScale, scale, mask, zeroPoint, "", past],
      output: node.output,
    });
    made.attribute = [...node.attribute];
    editor.replace(node, made);
  },
};

/** A layer for which onnxruntime has no kernel on bytes. */
function none(problem: string): DynamicLayer {
  return { weights: [], problem: () => problem, write: () => {} };
}

/** The kinds of layers by ONNX's operators. */
const LAYERS: ReadonlyMap<string, DynamicLayer> = new Map([
  ["Conv", convolution],
  [
    "ConvTranspose",
    none("onnxruntime has no kernel that multiplies bytes for a transposed convolution"),
  ],
  ["GRU", none("onnxruntime has a kernel on bytes for LSTM, and none for GRU")],
  ["Gemm", product],
  ["LSTM", lstm],
  ["MatMul", product],
  ["RNN", none("onnxruntime has a kernel on bytes for LSTM, and none for RNN")],
]);

/** The operators that have weights and may be on bytes. */
export const DYNAMIC_OPERATORS: readonly string[] = ["Attention", ...LAYERS.keys()];

/** The kind of layer that a node is, if it is one. */
export function layerOf(node: NodeProto): DynamicLayer | undefined {
  if (node.domain === "com.microsoft" && node.opType === "Attention") return attention;
  return isOp(node) ? LAYERS.get(node.opType) : undefined;
}
