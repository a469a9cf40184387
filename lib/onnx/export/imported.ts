/**
 * Imported models as ONNX files again.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { describeFunction } from "../../quantization/layers/function_kind.ts";
import { describeLayer, outputQuantizerOf } from "../../quantization/layers/layer_kinds.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { ImportedParameter } from "../import/build_graph.ts";
import type { OnnxModule } from "../import/onnx_module.ts";
import type { WeightForm } from "../import/node/operator_rule.ts";
import { floatOf, intOf, setAttribute } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { tensorDims, tensorType, writeTensor } from "../file/tensor_data.ts";
import { PRODUCER } from "../graph/new_model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { addStaticInput, readInput, staticInputOf } from "./activation.ts";
import { addIntegerBias } from "./layers.ts";
import {
  addGroupedWeight,
  addInputFirstWeight,
  addSignedWeight,
  floats,
  readWeight,
} from "./weights.ts";

/** A parameter's numbers as the file has them. */
function inFile(values: Float32Array, dims: readonly number[], form: WeightForm): Float32Array {
  if (form !== "transposed") return values;
  const [rows, columns] = dims;
  return values.map((_, i) => values[i % columns * rows + Math.floor(i / columns)]);
}

/** The child that a parameter belongs to, or that a layer is. */
function childOf(model: OnnxModule, { child }: { readonly child: string }): Module {
  return (model as unknown as Record<string, Module>)[child];
}

/** Gives a constant the numbers that a parameter has now. */
async function writeParameter(
  model: OnnxModule,
  parameter: ImportedParameter,
  tensor: TensorProto,
): Promise<void> {
  const value = (childOf(model, parameter) as unknown as Record<string, unknown>)[parameter.field];
  if (!(value instanceof Tensor)) return;
  const [type, dims] = [tensorType(tensor), tensorDims(tensor)];
  const numbers = await value.data();
  if (!value.dtype.isFloat) return writeTensor(tensor, type, dims, numbers);
  writeTensor(tensor, type, dims, inFile(numbers as Float32Array, dims, parameter.form));
}

/** Has a node read what a quantized layer computes with. */
async function writeQuantized(
  where: string,
  editor: GraphEditor,
  node: NodeProto,
  layer: Module,
  weight: ImportedParameter,
): Promise<void> {
  const described = describeLayer(layer);
  if (!described) {
    throw new TypeError(
      `${where}: ${layer.displayName} has no ONNX form here; it took the place of a layer of the file`,
    );
  }
  const { input } = described;
  if (input && input.kind !== "static") {
    throw new TypeError(
      `${where}: ${layer.displayName} quantizes its input as it comes, which is not written back into an ` +
        `imported graph; quantize with fixed ranges, or give exportOnnx a model of layers`,
    );
  }
  const quantization = input && await readInput(`${where}: ${layer.displayName}`, input);
  const host = await readWeight(`${where}: ${layer.displayName}`, described.weight);
  const at = node.input.indexOf(weight.constant);
  const turned = weight.form === "transposed";
  if (quantization?.kind === "static") {
    node.input[0] = addStaticInput(editor, node.name, node.input[0], quantization);
  }
  if (node.opType === "ConvTranspose") {
    const groups = intOf(node, "group", 1);
    node.input[at] = addInputFirstWeight(editor, node.name, host, groups);
  } else if (host.groupSize === host.columns) {
    node.input[at] = addSignedWeight(editor, node.name, host, turned);
  } else {
    node.input[at] = addGroupedWeight(editor, node.name, host);
    if (!turned) setAttribute(editor.messages, node, "transB", { i: 0 });
  }
  const bias = described.bias && await floats(described.bias);
  const index = node.input[2] ? 2 : -1;
  if (!bias || index < 0) return;
  const [whole] = quantization?.kind === "static" && addsBiasAsItIs(node)
    ? addIntegerBias(editor, node.name, bias, quantization.scale, host)
    : [];
  node.input[index] = whole ??
    editor.constant(`${node.name}.bias`, "float32", [bias.length], bias);
}

/** Whether a node multiplies neither its products nor its bias. */
function addsBiasAsItIs(node: NodeProto): boolean {
  return floatOf(node, "alpha", 1) === 1 && floatOf(node, "beta", 1) === 1;
}

/** Has what layers hand on as bytes go through QuantizeLinear and DequantizeLinear in the file too. */
function writeBytes(model: OnnxModule, editor: GraphEditor): void {
  const { view } = editor;
  const handed = new Map<string, string>();
  for (const layer of model.origin.layers) {
    const child = childOf(model, layer);
    const parts = describeFunction(child)?.parts;
    const output = outputQuantizerOf(child);
    const maker = view.producer(layer.output);
    if (!output || !maker) continue; // a node on bytes has made the file's own nodes into one
    if (parts?.input) {
      const read = addStaticInput(editor, maker.name, layer.input, staticInputOf(parts.input));
      maker.input = maker.input.map((name) => name === layer.input ? read : name);
    }
    // What comes out of the bytes has the value's name, so that whoever reads it reads that.
    const float = editor.name(`${layer.output}/float`);
    maker.output = maker.output.map((name) => name === layer.output ? float : name);
    const made = addStaticInput(editor, `${maker.name}.output`, float, staticInputOf(output));
    handed.set(made, layer.output);
  }
  editor.apply();
  for (const node of editor.graph.node) {
    node.output = node.output.map((name) => handed.get(name) ?? name);
  }
}

/**
 * The file that a model was imported from with what its children hold now: the graph as it was imported (operator
 * set 21, norms and factors part of layers), weights from the layers, and where quantized layers took the place of
 * float ones, QuantizeLinear and DequantizeLinear before their nodes.
 *
 * @param where opens the errors.
 * @throws {TypeError} if another module took the place of a layer, or quantizes in a way that a graph has no form for.
 */
export async function exportedImport(where: string, model: OnnxModule): Promise<OnnxModel> {
  const exported = model.origin.model.clone();
  const { graph, messages } = exported;
  const editor = new GraphEditor(graph, messages);
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const nodes = new Map(graph.node.map((node) => [node.name, node]));
  for (const parameter of model.origin.parameters) {
    await writeParameter(model, parameter, constants.get(parameter.constant)!);
    const { node, field } = parameter;
    const child = childOf(model, parameter);
    const isFloat = (child as unknown as { weight?: unknown }).weight instanceof Tensor;
    if (node === undefined || field !== "weight" || isFloat) continue;
    await writeQuantized(where, editor, nodes.get(node)!, child, parameter);
  }
  editor.apply();
  writeBytes(model, editor);
  removeUnusedInitializers(graph);
  exported.proto.producerName = PRODUCER.producerName;
  exported.proto.producerVersion = PRODUCER.producerVersion;
  return exported;
}
