/**
 * Writing QuantizeLinear and DequantizeLinear into a graph.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { dataTypeCode } from "../file/data_type.ts";
import { attributeOf, setAttribute } from "../file/attributes.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { removeUnusedInitializers, removeUnusedValueInfos } from "../graph/unused.ts";
import type { OnnxModel } from "../file/model.ts";
import { float32 } from "../../numbers/dtype.ts";
import type { QuantParams } from "./params.ts";
import type { Target } from "./targets.ts";
import type { QuantizedConstant } from "./weights.ts";

/** Puts nodes and constants into one graph; the nodes appear when {@linkcode QdqWriter.finish} is called. */
export class QdqWriter {
  private readonly editor: GraphEditor;

  /**
   * A writer for a model's graph, which is changed.
   *
   * @param domain where QuantizeLinear and DequantizeLinear with one scale, or with unsigned bytes, are from.
   */
  constructor(private readonly model: OnnxModel, private readonly domain: Target["domain"]) {
    this.editor = new GraphEditor(model.graph, model.messages);
  }

  private scalars({ type, scale, zeroPoint }: QuantParams, value: string): [string, string] {
    const integers = type.startsWith("u") ? Uint8Array : Int8Array;
    return [
      this.editor.constant(`${value}_scale`, "float32", [], Float32Array.of(scale)),
      this.editor.constant(`${value}_zero_point`, type, [], integers.of(zeroPoint)),
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
      raw = this.editor.name(`${from}_float`);
      producer.output = producer.output.map((name) => name === from ? raw : name);
    }
    this.editor.insertAfter(producer, ...this.pair(raw, to, params));
  }

  /**
   * Has a value go through bytes for those who want it so.
   *
   * @param producer the node that makes the value; none for an input of the graph.
   * @param apart whether the producer must not be next to QuantizeLinear, since onnxruntime would put an
   * integer kernel in its place. A Max that changes nothing stands between them then.
   * @returns the name to read.
   */
  offer(
    producer: NodeProto | undefined,
    value: string,
    params: QuantParams,
    apart: boolean,
  ): string {
    const { editor } = this;
    const read = editor.name(`${value}_dequantized`);
    const between: NodeProto[] = [];
    if (apart) {
      const lowest = editor.constant("lowest", "float32", [], Float32Array.of(-float32.max));
      between.push(this.node("Max", [value, lowest], editor.name(`${value}_apart`)));
    }
    const nodes = [...between, ...this.pair(between[0]?.output[0] ?? value, read, params)];
    if (producer) editor.insertAfter(producer, ...nodes);
    else editor.prepend(...nodes);
    return read;
  }

  /**
   * Has a node `HardSigmoid(x) = clip(α·x + β)` compute `x + β/α` in its place: bytes with a scale of `1/α` of theirs are
   * those of `α·x + β`, and cut off where these are. For sums there is an integer kernel.
   *
   * @param shift the name of `β/α`.
   * @param params of the values that it gave, whose bytes end at 0 and at most at 1.
   */
  produceSum(node: NodeProto, alpha: number, shift: string, params: QuantParams): void {
    const [value] = node.output;
    const raw = this.editor.name(`${value}_sum`);
    node.opType = "Add";
    node.attribute = [];
    node.input.push(shift);
    node.output = [raw];
    this.editor.insertAfter(
      node,
      ...this.pair(raw, value, params, Math.fround(params.scale / alpha)),
    );
  }

  /** QuantizeLinear and DequantizeLinear; the former may take another scale. */
  private pair(from: string, to: string, params: QuantParams, scale = params.scale): NodeProto[] {
    const read = this.scalars(params, to);
    const written = scale === params.scale ? read : this.scalars({ ...params, scale }, from);
    const quantized = this.editor.name(`${to}_quantized`);
    return [
      this.asTarget(this.node("QuantizeLinear", [from, ...written], quantized)),
      this.asTarget(this.node("DequantizeLinear", [quantized, ...read], to)),
    ];
  }

  /** Has a node with one scale, or with unsigned bytes, be of the domain that the target wants it from. */
  private asTarget(node: NodeProto): NodeProto {
    node.domain = this.domain;
    if (this.domain) this.model.setOpset(1, this.domain);
    return node;
  }

  private node(
    opType: string,
    input: readonly string[],
    output: string,
    attributes: Readonly<Record<string, number>> = {},
  ): NodeProto {
    return this.editor.node(`${output}/${opType}`, opType, input, [output], attributes);
  }

  /** Adds a constant in integers and returns the name of its values. */
  addConstant(name: string, constant: QuantizedConstant): string {
    const { type, dims, integers, scale, zeroPoint, axis, blockSize } = constant;
    const perAxis = axis === undefined ? [] : [scale.length];
    const sizes = blockSize ? blockedDims(dims, axis!, blockSize) : perAxis;
    const input = [
      this.editor.constant(`${name}_quantized`, type, dims, integers, true),
      this.editor.constant(`${name}_scale`, "float32", sizes, scale),
      this.editor.constant(`${name}_zero_point`, type, sizes, zeroPoint),
    ];
    const read = this.editor.name(`${name}_dequantized`);
    const attributes = { axis: axis ?? 0, ...(blockSize ? { block_size: blockSize } : {}) };
    const node = this.node("DequantizeLinear", input, read, axis === undefined ? {} : attributes);
    if (axis === undefined || type === "uint8") this.asTarget(node);
    this.editor.prepend(node);
    return read;
  }

  /**
   * Adds the scales of a table in integers, which is the transposed of a constant, and the constant made of it.
   *
   * @returns the name of its values.
   */
  addTransposed(name: string, table: string, { type, dims, ...of }: QuantizedConstant): string {
    const { editor } = this;
    const rows = editor.constant(`${table}_quantized`, type, dims, of.integers, true);
    const columns = editor.name(`${name}_quantized`);
    const sizes = [of.scale.length];
    const input = [
      columns,
      editor.constant(`${name}_scale`, "float32", sizes, of.scale),
      editor.constant(`${name}_zero_point`, type, sizes, of.zeroPoint),
    ];
    const read = editor.name(`${name}_dequantized`);
    editor.prepend(
      editor.node(`${columns}/Transpose`, "Transpose", [rows], [columns], {
        perm: { ints: [1, 0] },
      }),
      this.node("DequantizeLinear", input, read, { axis: 1 }),
    );
    return read;
  }

  /**
   * Has a node look up bytes and their scales in the place of floats.
   *
   * @param name of the table.
   * @param table with a scale for each index along the axis of the lookup and no zero points.
   */
  lookUp(node: NodeProto, name: string, { type, dims, axis, ...table }: QuantizedConstant): void {
    const { editor } = this;
    const [, indices] = node.input;
    const [output] = node.output;
    const quantized = editor.name(`${output}_quantized`);
    const scale = editor.name(`${output}_scale`);
    const floats = editor.name(`${output}_integers`);
    const sizes = dims.map((size, i) => i === axis ? size : 1);
    const scales = editor.constant(`${name}_row_scale`, "float32", sizes, table.scale);
    node.input[0] = editor.constant(`${name}_quantized`, type, dims, table.integers, true);
    node.output[0] = quantized;
    const lookup = this.node(node.opType, [scales, indices], scale);
    lookup.attribute = [...node.attribute];
    editor.insertAfter(
      node,
      this.node("Cast", [quantized], floats, { to: dataTypeCode("float32") }),
      lookup,
      this.node("Mul", [floats, scale], output),
    );
  }

  /**
   * Adds a bias in 32-bit integers and returns the name of its values. It has no zero point, which is 0 without one:
   * ONNX wants none there, and onnxruntime's WebGPU provider for browsers up to 1.23 refuses one.
   */
  addBias(name: string, integers: Int32Array, scale: Float32Array): string {
    const dims = scale.length === 1 ? [] : [scale.length];
    const input = [
      this.editor.constant(`${name}_quantized`, "int32", [integers.length], integers),
      this.editor.constant(`${name}_quantized_scale`, "float32", dims, scale),
    ];
    const read = this.editor.name(`${name}_dequantized`);
    const attributes: Record<string, number> = scale.length === 1 ? {} : { axis: 0 };
    this.editor.prepend(this.node("DequantizeLinear", input, read, attributes));
    return read;
  }

  /** Takes a node out; the value that it made comes from {@linkcode QdqWriter.produce}. */
  remove(node: NodeProto): void {
    this.editor.remove([node]);
  }

  /**
   * Has a Relu or Clip computed by Max and Min, which are the same. onnxruntime 1.30 looks for its integer
   * kernels that give floats in front of neither, but in front of these.
   *
   * @param bounds the names of the least and the greatest value; none where there is no bound, and 0 for a Relu.
   */
  respellClip(node: NodeProto, bounds: readonly [string | undefined, string | undefined]): void {
    const [low, high] = node.opType === "Relu"
      ? [this.editor.constant("zero", "float32", [], Float32Array.of(0)), undefined]
      : bounds;
    const steps = ([["Max", low], ["Min", high]] as const).filter(([, bound]) => bound);
    let [value] = node.input;
    this.editor.replace(
      node,
      ...steps.map(([opType, bound], i) => {
        const output = i === steps.length - 1 ? node.output[0] : this.editor.name(`${value}_max`);
        const step = this.node(opType, [value, bound!], output);
        value = output;
        return step;
      }),
    );
  }

  /**
   * Has a product of two matrices computed by Gemm, which is the same. onnxruntime would make one Gemm of floats of a
   * MatMul and the sum after it.
   */
  respellMatMul(node: NodeProto): void {
    node.opType = "Gemm";
    this.spellOutBeta(node);
  }

  /** Has a node read a vector with dimensions of 1 in front, so that it has this rank. */
  raise(node: NodeProto, index: number, { dims, data }: FloatConstant, rank: number): void {
    const raised = [...new Array<number>(rank - dims.length).fill(1), ...dims];
    node.input[index] = this.editor.constant(
      `${node.input[index]}_raised`,
      "float32",
      raised,
      data,
    );
  }

  /** Makes sure that a Gemm's attribute is written out, since onnxruntime looks for it there. */
  spellOutBeta(node: NodeProto): void {
    setAttribute(this.editor.messages, node, "beta", { f: 1 });
  }

  /** Writes out what a convolution over so many dimensions does where it does not say so. */
  spellOutSteps(node: NodeProto, dimensions: number): void {
    const steps = { dilations: [1, 1], strides: [1, 1], pads: [0, 2] } as const;
    for (const [name, [value, times]] of Object.entries(steps)) {
      const told = attributeOf(node, name) ?? (name === "pads" && attributeOf(node, "auto_pad"));
      const ints = new Array<number>(times * dimensions).fill(value);
      if (!told) setAttribute(this.editor.messages, node, name, { ints });
    }
  }

  /** Takes an attribute out that says what holds without it. */
  dropAttribute(node: NodeProto, name: string): void {
    setAttribute(this.editor.messages, node, name, undefined);
  }

  /** Writes everything into the graph. */
  finish(): void {
    const { graph } = this.editor;
    this.editor.apply();
    removeUnusedInitializers(graph);
    removeUnusedValueInfos(graph);
  }
}

/** The shape of the scales of blocks along an axis. */
function blockedDims(dims: readonly number[], axis: number, blockSize: number): number[] {
  return dims.map((size, i) => i === axis ? Math.ceil(size / blockSize) : size);
}
