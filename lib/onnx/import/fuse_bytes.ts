/**
 * Nodes that compute floats between DequantizeLinear and QuantizeLinear, as nodes on the bytes themselves: what
 * onnxruntime makes of such a file.
 *
 * @module
 */
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { floatOf, intOf, setAttribute, stringOf } from "../file/attributes.ts";
import { equalBytes } from "../file/model_source.ts";
import { readTensor, tensorDims, tensorType } from "../file/tensor_data.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphTools, Pass } from "../prepare/graph_tools.ts";
import { BYTES_DOMAIN } from "./bytes/bytes_domain.ts";

/** A value in bytes, and the names of its parameters. */
interface Bytes {
  readonly value: string;
  readonly scale: string;
  readonly zeroPoint: string;
  /** The dimension that the parameters go along, where there are several. */
  readonly axis: number;
  readonly node: NodeProto;
}

/** Finds and makes what stands in the place of one graph's nodes. */
class ByteFusion {
  changed = false;

  constructor(private readonly tools: GraphTools) {}

  private constant(name: string | undefined): TensorProto | undefined {
    return name ? this.tools.editor.constantTensor(name) : undefined;
  }

  /** Whether a constant is one number. */
  private isScalar(name: string): boolean {
    const tensor = this.constant(name);
    return tensor !== undefined && tensorDims(tensor).every((size) => size === 1);
  }

  /** The parameters of a node that quantizes or dequantizes bytes with constants. */
  private parameters(node: NodeProto): Pick<Bytes, "scale" | "zeroPoint" | "axis"> | undefined {
    const [, scale, zero] = node.input;
    const zeroType = this.constant(zero);
    if (!this.constant(scale) || intOf(node, "block_size", 0)) return undefined;
    if (zeroType && !["int8", "uint8"].includes(tensorType(zeroType))) return undefined;
    if (zero && !zeroType) return undefined;
    const zeroPoint = zero || this.tools.editor.constant("zero_point", "uint8", [], [0]);
    return { scale, zeroPoint, axis: intOf(node, "axis", 1) };
  }

  /** The bytes behind a float value. */
  bytesOf(value: string | undefined): Bytes | undefined {
    const node = value ? this.tools.view.producer(value) : undefined;
    if (!node || !isOp(node, "DequantizeLinear")) return undefined;
    const dtype = this.tools.facts.dtype(node.input[0]);
    if (dtype !== undefined && dtype !== "int8" && dtype !== "uint8") return undefined;
    const found = this.parameters(node);
    return found && { ...found, value: node.input[0], node };
  }

  /** Bytes of one scale. */
  plain(value: string | undefined): Bytes | undefined {
    const found = this.bytesOf(value);
    return found && this.isScalar(found.scale) ? found : undefined;
  }

  /** The integers of a bias, whose scale is that of the products it is added to. */
  biasOf(value: string): string | undefined {
    const node = this.tools.view.producer(value);
    if (!node || !isOp(node, "DequantizeLinear")) return undefined;
    const tensor = this.constant(node.input[0]);
    return tensor && tensorType(tensor) === "int32" ? node.input[0] : undefined;
  }

  /** The only reader of a value, if it quantizes it with one scale. */
  quantizer(value: string): Bytes | undefined {
    const node = this.tools.view.onlyReader(value);
    if (!node || !isOp(node, "QuantizeLinear") || this.tools.view.isOutput(value)) return undefined;
    const found = this.parameters(node);
    return found && this.isScalar(found.scale)
      ? { ...found, value: node.output[0], node }
      : undefined;
  }

  /**
   * The quantizer of a value, behind a Relu that it does too: where its least byte stands for 0, nothing below
   * is left.
   */
  private quantizerBehind(value: string): { output: Bytes; parts: NodeProto[] } | undefined {
    const direct = this.quantizer(value);
    if (direct) return { output: direct, parts: [] };
    const relu = this.tools.view.onlyReader(value);
    if (!relu || !isOp(relu, "Relu") || this.tools.view.isOutput(value)) return undefined;
    const output = this.quantizer(relu.output[0]);
    const zero = output && this.constant(output.zeroPoint);
    if (!zero) return undefined;
    const { dtype, data } = readTensor(zero);
    return Number(data[0]) === (dtype === "int8" ? -128 : 0)
      ? { output, parts: [relu] }
      : undefined;
  }

  /** Puts a node on bytes in the place of a float one and of the quantizer behind it. */
  private put(
    node: NodeProto,
    [domain, opType]: readonly [domain: string, opType: string],
    input: readonly string[],
    output: string,
    gone: readonly NodeProto[],
  ): void {
    const { editor } = this.tools;
    const made = editor.node(node.name, opType, input, [output]);
    made.name = node.name;
    made.domain = domain;
    made.attribute = node.attribute;
    editor.replace(node, made);
    editor.remove(gone);
    this.changed = true;
  }

  /** Does what can be done with a node. */
  visit(node: NodeProto): void {
    if (!isOp(node) || this.tools.editor.isRemoved(node)) return;
    switch (node.opType) {
      case "Conv":
        return this.conv(node, ["", "QLinearConv"], 0);
      case "ConvTranspose":
        return this.convTranspose(node);
      case "MatMul":
        return this.matMul(node);
      case "Gemm":
        return this.gemm(node);
      case "Add":
      case "Mul":
        return this.sumOrProduct(node);
      case "Concat":
        return this.concat(node);
      case "AveragePool":
      case "GlobalAveragePool":
      case "LeakyRelu":
      case "Sigmoid":
      case "Softmax":
        return this.own(node);
      default:
        if (MOVERS.has(node.opType)) return this.mover(node);
        if (FUNCTIONS.has(node.opType)) return this.table(node);
    }
  }

  /** A convolution whose weight has its output channels along `axis`. */
  private conv(
    node: NodeProto,
    operator: readonly [domain: string, opType: string],
    axis: number,
  ): void {
    const [x, w] = [this.plain(node.input[0]), this.bytesOf(node.input[1])];
    const bias = node.input[2] ? this.biasOf(node.input[2]) : "";
    const behind = this.quantizerBehind(node.output[0]);
    const fits = x && w && bias !== undefined && behind && this.constant(w.value) &&
      (this.isScalar(w.scale) || w.axis === axis);
    if (!fits) return;
    const { output, parts } = behind;
    const input = [
      ...[x.value, x.scale, x.zeroPoint, w.value, w.scale, w.zeroPoint],
      ...[output.scale, output.zeroPoint],
      ...bias ? [bias] : [],
    ];
    this.put(node, operator, input, output.value, [...parts, output.node]);
  }

  /** onnxruntime computes it in floats; its own has stated pads, and the same scales for every group. */
  private convTranspose(node: NodeProto): void {
    const w = this.bytesOf(node.input[1]);
    const stated = stringOf(node, "auto_pad", "NOTSET") === "NOTSET" &&
      !node.attribute.some(({ name }) => name === "output_shape");
    if (!w || !stated || !(this.isScalar(w.scale) || intOf(node, "group", 1) === 1)) return;
    this.conv(node, [BYTES_DOMAIN, "QLinearConvTranspose"], 1);
  }

  private matMul(node: NodeProto): void {
    const [a, b] = [this.plain(node.input[0]), this.bytesOf(node.input[1])];
    const last = b && this.constant(b.value)?.dims.length;
    const fits = a && b &&
      (this.isScalar(b.scale) || last === 2 && (b.axis === 1 || b.axis === -1));
    if (!fits) return;
    const behind = this.quantizerBehind(node.output[0]);
    if (behind) {
      const { output, parts } = behind;
      const input = [
        ...[a.value, a.scale, a.zeroPoint, b.value, b.scale, b.zeroPoint],
        ...[output.scale, output.zeroPoint],
      ];
      return this.put(node, ["", "QLinearMatMul"], input, output.value, [...parts, output.node]);
    }
    const input = [a.value, b.value, a.scale, b.scale, a.zeroPoint, b.zeroPoint];
    this.put(node, ["com.microsoft", "MatMulIntegerToFloat"], input, node.output[0], []);
  }

  private gemm(node: NodeProto): void {
    const [a, b] = [this.plain(node.input[0]), this.bytesOf(node.input[1])];
    const bias = node.input[2] ? this.biasOf(node.input[2]) : "";
    const axis = intOf(node, "transB", 0) ? 0 : 1;
    const fits = a && b && bias !== undefined && this.constant(b.value) &&
      floatOf(node, "beta", 1) === 1 && (this.isScalar(b.scale) || b.axis === axis);
    if (!fits) return;
    const behind = this.quantizerBehind(node.output[0]);
    const input = [a.value, a.scale, a.zeroPoint, b.value, b.scale, b.zeroPoint, bias];
    setAttribute(this.tools.editor.messages, node, "beta", undefined);
    const operator = ["com.microsoft", "QGemm"] as const;
    if (!behind) return this.put(node, operator, input, node.output[0], []);
    const { output, parts } = behind;
    const all = [...input, output.scale, output.zeroPoint];
    this.put(node, operator, all, output.value, [...parts, output.node]);
  }

  private sumOrProduct(node: NodeProto): void {
    const [a, b] = node.input.map((name) => this.plain(name));
    const behind = this.quantizerBehind(node.output[0]);
    if (!a || !b || !behind) return;
    const { output, parts } = behind;
    const input = [
      ...[a.value, a.scale, a.zeroPoint, b.value, b.scale, b.zeroPoint],
      ...[output.scale, output.zeroPoint],
    ];
    const operator = ["com.microsoft", `QLinear${node.opType}`] as const;
    this.put(node, operator, input, output.value, [...parts, output.node]);
  }

  private concat(node: NodeProto): void {
    const all = node.input.map((name) => this.plain(name));
    const output = this.quantizer(node.output[0]);
    if (!output || !all.every((each) => each !== undefined)) return;
    const parts = all.flatMap(({ value, scale, zeroPoint }) => [value, scale, zeroPoint]);
    const input = [output.scale, output.zeroPoint, ...parts];
    this.put(node, ["com.microsoft", "QLinearConcat"], input, output.value, [output.node]);
  }

  /** Operators of one input that onnxruntime has for bytes. */
  private own(node: NodeProto): void {
    this.oneInput(node, "com.microsoft", `QLinear${node.opType}`);
  }

  /** Functions of one number, which are tables for bytes. */
  private table(node: NodeProto): void {
    this.oneInput(node, BYTES_DOMAIN, node.opType);
  }

  private oneInput(node: NodeProto, domain: string, opType: string): void {
    const x = this.plain(node.input[0]);
    const output = this.quantizer(node.output[0]);
    const others = node.input.slice(1).filter(Boolean);
    if (!x || !output || !others.every((name) => this.constant(name))) return;
    const input = [x.value, x.scale, x.zeroPoint, output.scale, output.zeroPoint];
    const rest = node.input.slice(1);
    this.put(node, [domain, opType], [...input, ...rest], output.value, [output.node]);
  }

  /** What only moves bytes, with the same parameters before and after. */
  private mover(node: NodeProto): void {
    if (isOp(node, "Resize") && stringOf(node, "mode", "nearest") !== "nearest") return;
    const x = this.plain(node.input[0]);
    if (!x) return;
    const outputs = node.output.map((name) => name ? this.quantizer(name) : undefined);
    const same = outputs.every((output, i) => !node.output[i] || output && this.isSame(x, output));
    if (!same || outputs.every((output) => !output)) return;
    const { editor } = this.tools;
    const made = editor.node(
      node.name,
      node.opType,
      [x.value, ...node.input.slice(1)],
      outputs.map((output) => output?.value ?? ""),
    );
    made.name = node.name;
    made.attribute = node.attribute;
    editor.replace(node, made);
    editor.remove(outputs.flatMap((output) => output ? [output.node] : []));
    this.changed = true;
  }

  private isSame(a: Bytes, b: Bytes): boolean {
    return this.isEqual(a.scale, b.scale) && this.isEqual(a.zeroPoint, b.zeroPoint);
  }

  private isEqual(a: string, b: string): boolean {
    if (a === b) return true;
    const [x, y] = [this.constant(a), this.constant(b)].map((tensor) =>
      tensor && readTensor(tensor)
    );
    if (!x || !y || x.dtype !== y.dtype) return false;
    const [p, q] = [x.data, y.data].map((data) => new Uint8Array((data as Uint8Array).buffer));
    return equalBytes(p, q);
  }
}

/** Operators that only move elements, and those that choose among them. */
const MOVERS = new Set(
  ("DepthToSpace Expand Flatten Gather GatherElements GatherND Identity MaxPool Reshape Resize Slice SpaceToDepth " +
    "Split Squeeze Tile Transpose Unsqueeze").split(" "),
);

/** Functions of one number and of constants. */
const FUNCTIONS = new Set(
  ("Abs Celu Clip Elu Erf Exp Gelu HardSigmoid HardSwish Log Neg QuickGelu Reciprocal Relu Round Selu Softplus Softsign " +
    "Sqrt Tanh Mish Swish").split(" "),
);

/** Makes nodes on bytes of those between DequantizeLinear and QuantizeLinear. */
export const fuseBytes: Pass = (tools) => {
  if (!tools.editor.graph.node.some((node) => isOp(node, "DequantizeLinear"))) return false;
  const fusion = new ByteFusion(tools);
  for (const node of tools.editor.graph.node) fusion.visit(node);
  return fusion.changed;
};
