/**
 * What layers that multiply by a weight become in ONNX. Values are matrices, (rows, features), and those of
 * convolutions images.
 *
 * @module
 */
import type { Linear } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import { describeLayer } from "../../quantization/layers/layer_kinds.ts";
import { Tensor } from "../../tensor/tensor.ts";
import {
  addDynamicInput,
  addStaticInput,
  type InputQuantization,
  readInput,
} from "./activation.ts";
import type { Attributes, GraphEditor } from "../graph/graph_editor.ts";
import {
  addGroupedWeight,
  addInputFirstWeight,
  addSignedWeight,
  floats,
  type HostWeight,
  readWeight,
} from "./weights.ts";

/** The least normal float32. */
const TINY = 2 ** -126;
const INT32_MAX = 2 ** 31 - 1;

/** A layer's constants on the host, read once however often the layer is called. */
export type LayerData =
  | {
    readonly kind: "float";
    readonly weight: Float32Array;
    readonly shape: readonly number[];
    readonly bias: Float32Array | null;
  }
  | {
    readonly kind: "quantized";
    readonly input: InputQuantization | null;
    /** What each feature of the input is multiplied by first; null for nothing. */
    readonly preScale: Float32Array<ArrayBuffer> | null;
    readonly weight: HostWeight;
    readonly bias: Float32Array | null;
  };

/**
 * Reads what a layer consists of.
 *
 * @param where the layer, for messages.
 * @throws {TypeError} if its weight or the quantization of its input has no ONNX form.
 */
export async function readLayer(where: string, layer: Module): Promise<LayerData> {
  const quantized = describeLayer(layer);
  if (quantized) {
    const { input, weight, bias } = quantized;
    const before = input && input.kind !== "custom" ? input.preScale : undefined;
    return {
      kind: "quantized",
      input: input && await readInput(where, input),
      preScale: before ? await floats(before) : null,
      weight: await readWeight(where, weight),
      bias: bias && await floats(bias),
    };
  }
  const { weight, bias } = layer as Linear;
  if (weight instanceof Tensor) {
    const { shape } = weight;
    return { kind: "float", weight: await floats(weight), shape, bias: bias && await floats(bias) };
  }
  throw new TypeError(
    `${where} has a weight of a class that has no ONNX form here (${weight.constructor.name}); tell what ` +
      `it is with registerLayerKind`,
  );
}

/** The node of a convolution, and the parts that its channels fall into. */
export interface WindowNode {
  readonly opType: "Conv" | "ConvTranspose";
  readonly attributes: Attributes;
  readonly groups: number;
}

/**
 * Adds a layer.
 *
 * @param name the layer's full name, which its constants and operations begin with.
 * @param x the input's name.
 * @param window the node of a convolution; undefined for products of rows.
 * @returns the output's name.
 */
export function addLayer(
  graph: GraphEditor,
  name: string,
  x: string,
  data: LayerData,
  window?: WindowNode,
): string {
  const { bias } = data;
  if (data.kind === "float") {
    const weight = graph.constant(`${name}.weight`, "float32", data.shape, data.weight);
    return graph.add(name, "Gemm", [x, weight, ...floatBias(graph, name, bias)], { transB: 1 });
  }
  const { input, weight, preScale } = data;
  const scaled = preScale ? addPreScale(graph, name, x, preScale) : x;
  if (input?.kind === "dynamic") {
    const { integers, scale } = addDynamicInput(graph, name, scaled, input);
    const y = addProduct(graph, name, integers, weight);
    return addBias(graph, name, graph.add(name, "Mul", [y, scale]), bias);
  }
  const q = input ? addStaticInput(graph, name, scaled, input) : x;
  const integers = input && bias ? addIntegerBias(graph, name, bias, input.scale, weight) : [];
  if (window) {
    const { opType, attributes, groups } = window;
    const w = opType === "Conv"
      ? addSignedWeight(graph, name, weight)
      : addInputFirstWeight(graph, name, weight, groups);
    const added = integers.length > 0 ? integers : floatBias(graph, name, bias);
    return graph.add(name, opType, [q, w, ...added], attributes);
  }
  if (integers.length === 0) return addBias(graph, name, addProduct(graph, name, q, weight), bias);
  const w = addSignedWeight(graph, name, weight);
  return graph.add(name, "Gemm", [q, w, ...integers], { transB: 1 });
}

/** Multiplies each feature by its own factor. */
function addPreScale(
  graph: GraphEditor,
  name: string,
  x: string,
  by: Float32Array<ArrayBuffer>,
): string {
  const factors = graph.constant(`${name}.pre_scale`, "float32", [by.length], by);
  return graph.add(name, "Mul", [x, factors]);
}

/** A float bias as an input, if there is one. */
function floatBias(graph: GraphEditor, name: string, bias: Float32Array | null): string[] {
  return bias ? [graph.constant(`${name}.bias`, "float32", [bias.length], bias)] : [];
}

/** Adds a bias in units of the accumulator, as an input; none where that holds no such units. */
export function addIntegerBias(
  graph: GraphEditor,
  name: string,
  bias: Float32Array,
  inputScale: number,
  weight: HostWeight,
): string[] {
  const integers = integerBias(bias, inputScale, weight);
  if (!integers) return [];
  const { values, scale } = integers;
  const inputs = [
    graph.constant(`${name}.bias`, "int32", [values.length], values),
    graph.constant(`${name}.bias_scale`, "float32", [scale.length], scale),
  ];
  return [graph.add(`${name}.bias`, "DequantizeLinear", inputs, { axis: 0 })];
}

/** Adds the product of an input, quantized or not, and a weight. */
function addProduct(graph: GraphEditor, name: string, x: string, weight: HostWeight): string {
  if (weight.groupSize === weight.columns) {
    const w = addSignedWeight(graph, name, weight);
    return graph.add(name, "Gemm", [x, w], { transB: 1 });
  }
  return graph.add(name, "MatMul", [x, addGroupedWeight(graph, name, weight)]);
}

/** Adds a float bias, if there is one. */
function addBias(graph: GraphEditor, name: string, y: string, bias: Float32Array | null): string {
  return bias ? graph.add(name, "Add", [y, ...floatBias(graph, name, bias)]) : y;
}

/**
 * The bias in units of the accumulator, which the integer kernels start from: at most half a unit off.
 * Null where a unit is no normal number, or the sum could leave the int32.
 */
function integerBias(
  bias: Float32Array,
  inputScale: number,
  weight: HostWeight,
): { values: Int32Array; scale: Float32Array } | null {
  if (weight.groupSize !== weight.columns) return null;
  const scale = weight.scale.map((scale) => inputScale * scale);
  const most = INT32_MAX - weight.columns * 255 * (weight.max - weight.min);
  const exact = Array.from(bias, (value, row) => value / scale[row]);
  const fits = exact.every((value, row) => scale[row] >= TINY && Math.abs(value) < most);
  return fits ? { values: Int32Array.from(exact, Math.round), scale } : null;
}
