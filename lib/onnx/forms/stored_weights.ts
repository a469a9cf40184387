/**
 * Layers that multiply floats with weights which are in bytes in the file.
 *
 * @module
 */
import { tensorDims } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import type { QuantSpec } from "../qdq/params.ts";
import { castToFloat, channelBytes } from "./channel_bytes.ts";
import type { DynamicLayer, DynamicWriter } from "./dynamic_layers.ts";
import { constantInput, type PlacedNode } from "./graph_editors.ts";

/** About what the nodes take in a file that make floats of bytes. */
const NODES_BYTES = 256;

/** A shape as runs of one number of channels, as the dimensions that hold them lie beside each other. */
function merged(
  dims: readonly number[],
  axes: readonly number[],
): [outer: number, channels: number] {
  const product = (sizes: readonly number[]) => sizes.reduce((n, size) => n * size, 1);
  return [product(dims.slice(0, axes[0])), product(axes.map((axis) => dims[axis]))];
}

/** Why a layer's weights are not worth it; nothing if they are. */
export function tooSmall(
  placed: PlacedNode,
  { outputAxes, weights }: DynamicLayer,
): string | undefined {
  const saved = weights.reduce((sum, index) => {
    const dims = tensorDims(constantInput(placed, index)!);
    const count = dims.reduce((n, size) => n * size, 1);
    const [, channels] = merged(dims, outputAxes!(placed.node, dims.length));
    return sum + 3 * count - 4 * channels - NODES_BYTES;
  }, 0);
  return saved > 0 ? undefined : "its weight is too small to gain by it";
}

/** Has a layer multiply floats with weights in bytes; onnxruntime makes floats of them when it loads the model. */
export function writeStored(
  placed: PlacedNode,
  layer: DynamicLayer,
  writer: DynamicWriter,
): void {
  const { editor, node } = placed;
  const floats = new Map(
    layer.weights.map((index) => [index, store(placed, layer, writer, index)]),
  );
  const made = writer.graphs.model.messages.node({
    name: node.name,
    opType: node.opType,
    input: node.input.map((name, i) => floats.get(i) ?? name),
    output: node.output,
  });
  made.attribute = [...node.attribute];
  editor.replace(node, made);
}

/** Stores one weight in bytes; the name of the floats that are made of it. */
function store(
  placed: PlacedNode,
  { outputAxes }: DynamicLayer,
  writer: DynamicWriter,
  index: number,
): string {
  const { graphs: { main, model }, specs } = writer;
  const tensor = constantInput(placed, index)!;
  const axes = outputAxes!(placed.node, tensor.dims.length);
  const [floats] = writer.weight(`${tensor.name} stored ${axes}`, () => {
    using weight = floatConstant(tensor)!;
    const { dims, data } = weight;
    const [outer, channels] = merged(dims, axes);
    const runs = { dims: [outer, channels, data.length / (outer * channels)], data };
    const spec: QuantSpec = { ...specs.weight, type: "int8", symmetric: true };
    const quantized = channelBytes(runs, spec, specs.perChannel ? 1 : undefined);
    const sizes = specs.perChannel ? dims.map((size, i) => axes.includes(i) ? size : 1) : [];
    const [bytes, scale] = writer.addWeight(tensor.name, { ...quantized, dims }, sizes);
    const [cast, scaled] = writer.names(main, ["cast", "weight"]);
    main.prepend(
      castToFloat(main, bytes, cast),
      model.messages.node({ opType: "Mul", input: [cast, scale], output: [scaled] }),
    );
    return [scaled];
  });
  return floats;
}
