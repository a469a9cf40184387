/**
 * Which tensors of a float and a quantized model can be compared, and how the quantized ones are read.
 *
 * @module
 */
import type { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { OnnxDataType } from "../file/data_type.ts";
import type { OnnxOutput } from "../run/runtime.ts";
import { elementCount, readTensor } from "../file/tensor_data.ts";

/** A tensor that both models compute. */
export interface ComparedValue {
  /** Its name in both models. */
  readonly name: string;
  /** The operator that makes it in the float model. */
  readonly opType: string;
  /** What to fetch from the quantized model: the value itself, or its integers. */
  readonly fetch: string;
  /** The element type of that. */
  readonly dtype: OnnxDataType;
  /** How integers become numbers; nothing for a float. */
  readonly scale?: number;
  /** The integer that stands for zero. */
  readonly zeroPoint?: number;
}

/** The one number of a constant. */
function single(facts: ShapeFacts, name: string | undefined): number | undefined {
  const tensor = name ? facts.constant(name) : undefined;
  if (!tensor) return undefined;
  const { data } = readTensor(tensor);
  return data.length === 1 ? Number(data[0]) : undefined;
}

/** Whether all that reads a value cuts it off; its integers are cut off already then. */
function isClippedNext(view: GraphView, name: string): boolean {
  const uses = view.uses(name);
  return uses.length > 0 &&
    uses.every((use) => use.kind === "input" && ["Clip", "Relu"].includes(use.node.opType));
}

/**
 * The float32 tensors that nodes of both models make under one name, in the float model's order; but
 * not those that only Relu or Clip read, which come after them. Where the
 * quantized model quantizes one, its integers are read: they are what goes on, and reading them keeps
 * onnxruntime's integer kernels together.
 */
export function comparedValues(float: OnnxModel, quantized: OnnxModel): ComparedValue[] {
  const [facts, others] = [new ShapeFacts(float.graph), new ShapeFacts(quantized.graph)];
  const { view } = others;
  return float.graph.node.flatMap(({ opType, output }) =>
    output.flatMap((name): ComparedValue[] => {
      if (!name || facts.dtype(name) !== "float32" || !view.producer(name)) return [];
      if (isClippedNext(facts.view, name)) return [];
      // The integers that the value comes from, or those that it becomes.
      const made = view.producer(name)!;
      const quantize = view.consumers(name).find((node) =>
        node.opType === "QuantizeLinear" && node.input[0] === name
      );
      const pair = made.opType === "DequantizeLinear" ? made : quantize;
      if (!pair) {
        return others.dtype(name) === "float32"
          ? [{ name, opType, fetch: name, dtype: "float32" }]
          : [];
      }
      const scale = single(others, pair.input[1]);
      const zero = pair.input[2];
      const zeroPoint = zero ? single(others, zero) : 0;
      const dtype = zero ? others.dtype(zero) : "uint8";
      if (scale === undefined || zeroPoint === undefined || !dtype) return [];
      return [{
        name,
        opType,
        fetch: pair === made ? made.input[0] : pair.output[0],
        dtype,
        scale,
        zeroPoint,
      }];
    })
  );
}

/** What was fetched without the channels of zeros that it has more than the float model's (`qdq/fill_channels.ts`). */
export function withoutFilling(y: OnnxOutput, dims: readonly number[]): OnnxOutput {
  const others = y.dims.length === dims.length && dims.length > 1 && y.dims[1] > dims[1] &&
    dims.every((size, i) => i === 1 || size === y.dims[i]);
  if (!others || Array.isArray(y.data)) return y;
  const inner = elementCount(dims.slice(2));
  const [to, from] = [dims[1] * inner, y.dims[1] * inner];
  const numbers = y.data as Float32Array;
  const data = numbers.slice(0, elementCount(dims));
  for (let n = 0; n < dims[0]; n++) data.set(numbers.subarray(n * from, n * from + to), n * to);
  return { type: y.type, data, dims };
}

/** The numbers of a compared tensor, from what was fetched. */
export function comparedNumbers(
  { scale, zeroPoint = 0 }: ComparedValue,
  { data }: OnnxOutput,
): Float32Array {
  if (scale === undefined) return data as Float32Array;
  return Float32Array.from(data as Uint8Array, (value) => (value - zeroPoint) * scale);
}

/** A copy of a model that gives these values too. */
export function withOutputs(
  model: OnnxModel,
  values: readonly { readonly name: string; readonly dtype: OnnxDataType }[],
): OnnxModel {
  const copy = model.clone();
  const known = new Set(copy.graph.output.map(({ name }) => name));
  for (const { name, dtype } of values) {
    if (known.has(name)) continue;
    known.add(name);
    copy.graph.output.push(copy.messages.valueInfo(name, dtype));
  }
  return copy;
}
