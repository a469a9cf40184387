/**
 * Layers that multiply floats with weights which are in bytes in the file.
 *
 * @module
 */
import { tensorDims } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import type { QuantSpec } from "../qdq/params.ts";
import { isOp } from "../graph/operator.ts";
import { transposed } from "./blocks.ts";
import { castToFloat, channelBytes, withoutBias } from "./channel_bytes.ts";
import type { DynamicLayer, DynamicWriter } from "./dynamic_layers.ts";
import { constantInput, type PlacedNode } from "./graph_editors.ts";

/** Neighbours in a row of a matrix that share a scale, where outputs are read off by it. */
const BLOCK = 128;

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

/**
 * Has a layer multiply floats with weights in bytes; onnxruntime makes floats of them when it loads the model.
 *
 * @param inBlocks whether a matrix has a scale for each few elements of a row, where these are many.
 */
export function writeStored(
  placed: PlacedNode,
  layer: DynamicLayer,
  writer: DynamicWriter,
  inBlocks: boolean,
): void {
  const { editor, node } = placed;
  const rows = inBlocks && writer.specs.perChannel ? rowsOf(placed, layer) : undefined;
  const floats = new Map(layer.weights.map((index) => [
    index,
    rows ? storeBlocks(placed, writer, rows) : store(placed, layer, writer, index),
  ]));
  const made = writer.graphs.model.messages.node({
    name: node.name,
    opType: node.opType,
    input: node.input.map((name, i) => floats.get(i) ?? name),
    output: node.output,
  });
  made.attribute = [...node.attribute];
  editor.replace(node, made);
}

/** A matrix whose rows, as many as outputs, are cut into blocks. */
interface BlockRows {
  readonly rows: number;
  readonly columns: number;
  /** Whether outputs lie along its second dimension. */
  readonly turned: boolean;
}

/** How the weight of a product is cut into blocks; nothing if it is not worth it. */
function rowsOf(placed: PlacedNode, { outputAxes }: DynamicLayer): BlockRows | undefined {
  if (!isOp(placed.node, "MatMul", "Gemm")) return undefined;
  const dims = tensorDims(constantInput(placed, 1)!);
  const [axis] = outputAxes!(placed.node, dims.length);
  const [rows, columns] = [dims[axis], dims[1 - axis]];
  if (dims.length !== 2 || columns < 2 * BLOCK || columns % BLOCK !== 0) return undefined;
  return { rows, columns, turned: axis === 1 };
}

/** Stores a matrix in bytes, a scale for each block of a row; the name of the floats that are made of it. */
function storeBlocks(
  placed: PlacedNode,
  writer: DynamicWriter,
  { rows, columns, turned }: BlockRows,
): string {
  const { graphs: { main, model: { messages } } } = writer;
  const tensor = constantInput(placed, 1)!;
  const [floats] = writer.weight(`${tensor.name} blocks ${turned}`, () => {
    using weight = floatConstant(tensor)!;
    const data = turned ? transposed(weight.data, columns, rows) : weight.data;
    const blocks = columns / BLOCK;
    const lines = { dims: [rows * blocks, BLOCK], data };
    const spec = symmetric(writer);
    const quantized = withoutBias(lines, channelBytes(lines, spec, 0), spec, 0);
    const dims = [rows, blocks, BLOCK];
    const [bytes, scale] = writer.addWeight(tensor.name, { ...quantized, dims }, [rows, blocks, 1]);
    const shape = main.constant("rows", "int64", [2], [rows, columns]);
    const [cast, scaled, matrix, back] = writer.names(main, ["cast", "weight", "rows", "columns"]);
    const make = (opType: string, input: string[], output: string) =>
      messages.node({ opType, input, output: [output] });
    main.prepend(
      castToFloat(main, bytes, cast),
      make("Mul", [cast, scale], scaled),
      make("Reshape", [scaled, shape], matrix),
      ...turned ? [make("Transpose", [matrix], back)] : [],
    );
    return [turned ? back : matrix];
  });
  return floats;
}

/** How weights become bytes that are turned back into floats. */
function symmetric({ specs }: DynamicWriter): QuantSpec {
  return { ...specs.weight, type: "int8", symmetric: true };
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
    const spec = symmetric(writer);
    const quantized = specs.perChannel
      ? withoutBias(runs, channelBytes(runs, spec, 1), spec, 1)
      : channelBytes(runs, spec, undefined);
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
