/**
 * How a layer quantizes its input, and the ONNX operations that do the same.
 *
 * @module
 */
import { int8SymmPerTokenReducedRangeQuant } from "../../quantization/configs/int8_dynamic_activation.ts";
import type { LinearActivationQuantizedTensor } from "../../quantization/tensors/linear_activation_quantized_tensor.ts";
import type { QuantizedLinear } from "../../quantization/layers/quantized_linear.ts";
import type { AffineQuantizedTensor } from "../../quantization/tensors/quantized_tensor.ts";
import type { DType } from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { ones, type Tensor, zeros } from "../../tensor/tensor.ts";
import type { GraphBuilder } from "./graph.ts";
import { checkZeroPoints } from "./weights.ts";

/** A scale that is fixed beforehand, for unsigned bytes. */
export interface StaticInput {
  readonly kind: "static";
  /** What integers are multiplied with. */
  readonly scale: number;
  /** What floats are divided by: the reciprocal of the scale's reciprocal in the scale's dtype. */
  readonly divisor: number;
  readonly zeroPoint: number;
  /** The integers that are used. */
  readonly quantMin: number;
  readonly quantMax: number;
}

/** A scale for each row, found when the model runs. */
export interface DynamicInput {
  readonly kind: "dynamic";
}

/** How a layer quantizes its input. */
export type InputQuantization = StaticInput | DynamicInput;

/** Parameters on the device. */
interface Params {
  readonly scale: Tensor;
  readonly zeroPoint: Tensor | null;
  readonly quantMin: number;
  readonly quantMax: number;
  readonly targetDtype: DType;
}

/**
 * Reads fixed parameters. Signed bytes are moved up by 128, and their zero point with them: the numbers
 * stay the same, and unsigned inputs have the faster kernels.
 */
async function staticInput(where: string, params: Params): Promise<StaticInput> {
  const { scale: scaleTensor, zeroPoint, targetDtype } = params;
  const scale = await scaleTensor.item();
  const shift = targetDtype.min < 0 ? 128 : 0;
  const atZero = (zeroPoint ? await zeroPoint.item() : 0) + shift;
  checkZeroPoints(`${where} (input)`, [atZero - shift], -shift, 255 - shift);
  return {
    kind: "static",
    scale,
    divisor: Math.fround(1 / roundTo(scaleTensor.dtype, 1 / scale)),
    zeroPoint: atZero,
    quantMin: params.quantMin + shift,
    quantMax: params.quantMax + shift,
  };
}

/** How an integer layer quantizes its input. */
export function inputOfQuantizedLinear(
  where: string,
  { actScale: scale, actZeroPoint: zeroPoint, actRange, targetDtype }: QuantizedLinear,
): Promise<StaticInput> {
  return staticInput(where, { scale, zeroPoint, ...actRange, targetDtype });
}

/**
 * How a weight quantizes the input that it is multiplied with. The function is opaque, so it is tried
 * on two inputs: if both get the same scale and zero point, these are fixed.
 *
 * @throws {TypeError} if it does neither that nor what `Int8DynamicActivationInt8WeightConfig` does.
 */
export async function inputOfWeight(
  where: string,
  { inputQuantFunc, shape: [, k], dtype, device }: LinearActivationQuantizedTensor,
): Promise<InputQuantization> {
  if (inputQuantFunc === int8SymmPerTokenReducedRangeQuant) return { kind: "dynamic" };
  using low = zeros([2, k], { dtype, device });
  using high = ones([2, k], { dtype, device });
  using first = inputQuantFunc(low);
  using second = inputQuantFunc(high);
  const [a, b] = [await paramsOf(first), await paramsOf(second)];
  const { targetDtype } = first;
  const fixed = a.length === 2 && a.every((value, i) => value === b[i]);
  if (!fixed || targetDtype.isFloat || targetDtype.itemSize !== 1) {
    throw new TypeError(
      `${where} quantizes its input in a way that has no ONNX form here (${
        inputQuantFunc.name || "an anonymous function"
      }); supported are 8 bits with one fixed scale, and Int8DynamicActivationInt8WeightConfig`,
    );
  }
  return await staticInput(where, first);
}

/** Scales and zero points, one after the other. */
async function paramsOf({ scale, zeroPoint }: AffineQuantizedTensor): Promise<number[]> {
  return [...await scale.data(), ...await zeroPoint?.data() ?? [0]];
}

/**
 * Adds the quantization of an input with a fixed scale.
 *
 * @returns the name of the dequantized input.
 */
export function addStaticInput(
  graph: GraphBuilder,
  name: string,
  x: string,
  input: StaticInput,
): string {
  const { scale, divisor, zeroPoint, quantMin, quantMax } = input;
  const scalar = (part: string, value: number) =>
    graph.constant(`${name}.input_${part}`, "FLOAT", [], Float32Array.of(value));
  const at = graph.constant(`${name}.input_zero_point`, "UINT8", [], Uint8Array.of(zeroPoint));
  const by = scalar("scale", scale);
  const dividedBy = divisor === scale ? by : scalar("divisor", divisor);
  let value = x;
  if (quantMin > 0 || quantMax < 255) {
    // QuantizeLinear saturates where the type ends; a narrower range is cut beforehand.
    const bounds = [
      scalar("min", (quantMin - zeroPoint) * divisor),
      scalar("max", (quantMax - zeroPoint) * divisor),
    ];
    value = graph.add(name, "Clip", [value, ...bounds]);
  }
  const q = graph.add(name, "QuantizeLinear", [value, dividedBy, at]);
  return graph.add(name, "DequantizeLinear", [q, by, at]);
}

/**
 * Adds the quantization of an input to −127…127 with a scale for each row, as `toAffineQuantizedPerToken`
 * does it, moved up by 128.
 *
 * @returns the names of the integers as floats, and of the scales, (rows, 1).
 */
export function addDynamicInput(
  graph: GraphBuilder,
  name: string,
  x: string,
): { integers: string; scale: string } {
  const scalar = (part: string, value: number) =>
    graph.constant(`${name}.${part}`, "FLOAT", [], Float32Array.of(value));
  const axes = graph.constant(`${name}.axes`, "INT64", [1], BigInt64Array.of(1n));
  const largest = graph.add(name, "ReduceMax", [graph.add(name, "Abs", [x]), axes], {
    keepdims: 1,
  });
  const ratio = graph.add(name, "Div", [largest, scalar("quant_max", 127)]);
  const scale = graph.add(name, "Max", [ratio, scalar("eps", 1e-5)]);
  const scaled = graph.add(name, "Mul", [x, graph.add(name, "Reciprocal", [scale])]);
  const one = scalar("one", 1);
  const zero = graph.constant(`${name}.input_zero_point`, "UINT8", [], Uint8Array.of(128));
  const q = graph.add(name, "QuantizeLinear", [scaled, one, zero]);
  return { integers: graph.add(name, "DequantizeLinear", [q, one, zero]), scale };
}
