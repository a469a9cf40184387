/**
 * Quantized weights on the host, in the forms that onnxruntime's kernels take.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { AffineQuantizedTensor } from "../../quantization/tensors/quantized_tensor.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OnnxDataType } from "../file/data_type.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";

/** Integers with a scale and a zero point for each group of neighbours in a row. */
export interface HostWeight {
  /** As the layer has it: (N, K), or of a convolution (N, C, …). */
  readonly shape: readonly number[];
  /** N. */
  readonly rows: number;
  /** K, of a convolution all numbers of an output channel. */
  readonly columns: number;
  /** Row by row. */
  readonly integers: Int8Array | Uint8Array;
  /** The least and the greatest integer that the dtype has. */
  readonly min: number;
  readonly max: number;
  /** Neighbours that share a scale; K where the whole row does. */
  readonly groupSize: number;
  /** One a group, row by row. */
  readonly scale: Float32Array;
  /** One a group, integers. */
  readonly zeroPoint: Float32Array;
}

/** The numbers of a float tensor of any dtype. */
export async function floats(t: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return await t.data() as Float32Array<ArrayBuffer>;
}

/** Throws unless zero points are integers between the bounds. */
export function checkZeroPoints(
  where: string,
  zeroPoints: ArrayLike<number>,
  min: number,
  max: number,
): void {
  for (const zeroPoint of Array.from(zeroPoints)) {
    if (Number.isInteger(zeroPoint) && zeroPoint >= min && zeroPoint <= max) continue;
    throw new RangeError(
      `${where} has a zero point of ${zeroPoint}, but ONNX takes integers from ${min} to ${max}; observe ` +
        `with quantMin and quantMax inside them`,
    );
  }
}

/**
 * Reads a quantized weight. Scales of blocks of several rows are repeated for each row.
 *
 * @param where the layer, for messages.
 * @throws {TypeError} if its integers take more than 8 bits or are floats.
 */
export async function readWeight(where: string, w: AffineQuantizedTensor): Promise<HostWeight> {
  const { targetDtype, shape, blockSize: [blockRows, ...block] } = w;
  const [rows, ...rest] = shape;
  const [columns, groupSize] = [numelOf(rest), numelOf(block)];
  if (targetDtype.isFloat || targetDtype.itemSize !== 1) {
    throw new TypeError(
      `${where} has weights of ${targetDtype.name}, which have no ONNX form here; use integers of at most 8 bits`,
    );
  }
  using intData = w.intData();
  const [integers, scale, zeroPoint] = await Promise.all([
    intData.data(),
    w.scale.data(),
    w.zeroPoint?.data(),
  ]);
  const groups = columns / groupSize;
  const perRow = (values: ArrayLike<number> | undefined) =>
    Float32Array.from({ length: rows * groups }, (_, i) => {
      const [row, group] = [Math.floor(i / groups), i % groups];
      return values?.[Math.floor(row / blockRows) * groups + group] ?? 0;
    });
  const host = {
    shape,
    rows,
    columns,
    groupSize,
    scale: perRow(scale),
    zeroPoint: perRow(zeroPoint),
  };
  const { min, max } = targetDtype;
  checkZeroPoints(`${where} (weight)`, host.zeroPoint, min, max);
  return { ...host, integers: integers as Int8Array | Uint8Array, min, max };
}

/** Swaps rows and columns. */
function transposed<A extends Int8Array | Uint8Array | Float32Array>(
  values: A,
  rows: number,
  columns: number,
): A {
  const result = values.slice() as A;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}

/**
 * Adds a weight (N, K) or (N, C, …) of signed bytes with a scale a row, as `Gemm` and `Conv` read it. Unsigned
 * bytes are moved down by 128, and their zero points with them, since the kernels for unsigned inputs
 * and signed weights are the fastest; the numbers stay the same.
 *
 * @param turned whether it is written as (K, N).
 * @returns the name of the dequantized weight.
 */
export function addSignedWeight(
  graph: GraphEditor,
  name: string,
  weight: HostWeight,
  turned = false,
): string {
  const { rows, columns, integers, scale, zeroPoint, max } = weight;
  const shift = max > 127 ? 128 : 0;
  const signed = (values: ArrayLike<number>) => Int8Array.from(values, (value) => value - shift);
  const [dims, values] = turned
    ? [[columns, rows], transposed(integers, rows, columns)]
    : [weight.shape, integers];
  const inputs = [
    graph.constant(`${name}.weight`, "int8", dims, signed(values)),
    graph.constant(`${name}.weight_scale`, "float32", [rows], scale),
    graph.constant(`${name}.weight_zero_point`, "int8", [rows], signed(zeroPoint)),
  ];
  return graph.add(`${name}.weight`, "DequantizeLinear", inputs, { axis: turned ? 1 : 0 });
}

/**
 * Adds a weight (N, C / groups, …) as `ConvTranspose` reads it, (C, N / groups, …), of signed bytes with a scale for
 * each output channel of a group, or one for all.
 *
 * @throws {TypeError} if groups have scales of their own, for which ONNX has no place.
 */
export function addInputFirstWeight(
  graph: GraphEditor,
  name: string,
  weight: HostWeight,
  groups: number,
): string {
  const { shape: [outChannels, inside, ...kernel], integers, scale, zeroPoint, max } = weight;
  const shift = max > 127 ? 128 : 0;
  const [outside, inner] = [outChannels / groups, numelOf(kernel)];
  const repeats = [scale, zeroPoint].every((each) =>
    each.every((value, i) => value === each[i % outside])
  );
  if (!repeats) {
    throw new TypeError(
      `${name} is a transposed convolution of ${groups} groups with a scale for each output channel, but ONNX ` +
        `has the same scales for every group; observe its weight with PerTensor`,
    );
  }
  const values = new Int8Array(integers.length);
  for (let i = 0; i < values.length; i++) {
    const [row, c] = [Math.floor(i / inner / inside), Math.floor(i / inner) % inside];
    const channel = Math.floor(row / outside) * inside + c;
    values[(channel * outside + row % outside) * inner + i % inner] = integers[i] - shift;
  }
  const signed = Int8Array.from(zeroPoint.subarray(0, outside), (value) => value - shift);
  const inputs = [
    graph.constant(`${name}.weight`, "int8", [inside * groups, outside, ...kernel], values),
    graph.constant(`${name}.weight_scale`, "float32", [outside], scale.slice(0, outside)),
    graph.constant(`${name}.weight_zero_point`, "int8", [outside], signed),
  ];
  return graph.add(`${name}.weight`, "DequantizeLinear", inputs, { axis: 1 });
}

/**
 * Adds a weight with a scale for each group, transposed to (K, N), in its own number of bits: what
 * onnxruntime multiplies floats with, without making a float weight of it.
 *
 * @returns the name of the dequantized weight.
 */
export function addGroupedWeight(graph: GraphEditor, name: string, weight: HostWeight): string {
  const { rows, columns, integers, groupSize, min, max } = weight;
  const groups = columns / groupSize;
  const narrow = max - min <= 15;
  const type: OnnxDataType = `${min < 0 ? "" : "u"}int${narrow ? 4 : 8}`;
  const add = (part: string, count: number, values: Int8Array | Uint8Array | Float32Array) => {
    return graph.constant(`${name}.${part}`, type, [count, rows], transposed(values, rows, count));
  };
  const scale = transposed(weight.scale, rows, groups);
  const inputs = [
    add("weight", columns, integers),
    graph.constant(`${name}.weight_scale`, "float32", [groups, rows], scale),
    add("weight_zero_point", groups, weight.zeroPoint),
  ];
  return graph.add(`${name}.weight`, "DequantizeLinear", inputs, {
    axis: 0,
    block_size: groupSize,
  });
}
