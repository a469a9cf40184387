/**
 * How a layer quantizes its input, and the ONNX operations that do the same.
 *
 * @module
 */
import { roundTo } from "../../numbers/rounding.ts";
import { isByte } from "../../quantization/tensors/quantized_tensor.ts";
import type {
  InputQuantizer,
  StaticInputQuantizer,
} from "../../quantization/tensors/input_quantizer.ts";
import type { ActivationQuantizer } from "../../quantization/tensors/activation_quantizer.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
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

/** A scale for each row, found when the model runs, for signed bytes. */
export interface DynamicInput {
  readonly kind: "dynamic";
  /** The integers that are used. */
  readonly quantMin: number;
  readonly quantMax: number;
  /** The least scale. */
  readonly eps: number;
}

/** How a layer quantizes its input, on the host. */
export type InputQuantization = StaticInput | DynamicInput;

/**
 * Reads how an input is quantized.
 *
 * @param where the layer, for messages.
 * @throws {TypeError} if a function does it, or its integers take more than 8 bits or are floats.
 * @throws {RangeError} if a zero point is none of the integers.
 */
export async function readInput(where: string, input: InputQuantizer): Promise<InputQuantization> {
  const byRows = input.kind === "dynamic" && !input.perTensor && !input.asymmetric;
  if (byRows && isByte(input.targetDtype)) return input;
  const oneScale = input.kind === "static" && input.scale.numel === 1;
  if (oneScale && isByte(input.targetDtype)) return await readStatic(where, input);
  const how = input.kind === "custom"
    ? `the function ${input.quantize.name || "without a name"}`
    : isByte(input.targetDtype)
    ? input.kind === "dynamic" ? "found as it comes" : "fixed scales of each row"
    : input.targetDtype.name;
  throw new TypeError(
    `${where} quantizes its input in a way that has no ONNX form here (${how}); supported are 8 bits with ` +
      `one fixed scale or one a row, given as data: see staticInputQuantizer and dynamicInputQuantizer`,
  );
}

/**
 * Reads fixed parameters. Signed bytes are moved up by 128, and their zero point with them: the numbers
 * stay the same, and unsigned inputs have the faster kernels.
 */
async function readStatic(where: string, input: StaticInputQuantizer): Promise<StaticInput> {
  const { scale: scaleTensor, zeroPoint, targetDtype } = input;
  const scale = await scaleTensor.item();
  const shift = targetDtype.min < 0 ? 128 : 0;
  const atZero = (zeroPoint ? await zeroPoint.item() : 0) + shift;
  checkZeroPoints(`${where} (input)`, [atZero - shift], -shift, 255 - shift);
  return {
    kind: "static",
    scale,
    divisor: Math.fround(1 / roundTo(scaleTensor.dtype, 1 / scale)),
    zeroPoint: atZero,
    quantMin: input.quantMin + shift,
    quantMax: input.quantMax + shift,
  };
}

/** What is fixed for activations that go on as bytes, moved up in the same way. */
export function staticInputOf(to: ActivationQuantizer): StaticInput {
  const shift = to.targetDtype.min < 0 ? 128 : 0;
  return {
    kind: "static",
    scale: to.scale,
    divisor: Math.fround(1 / Math.fround(1 / to.scale)),
    zeroPoint: to.zeroPoint + shift,
    quantMin: to.quantMin + shift,
    quantMax: to.quantMax + shift,
  };
}

/**
 * Adds the quantization of an input with a fixed scale.
 *
 * @returns the name of the dequantized input.
 */
export function addStaticInput(
  graph: GraphEditor,
  name: string,
  x: string,
  input: StaticInput,
): string {
  const { scale, divisor, zeroPoint, quantMin, quantMax } = input;
  const scalar = (part: string, value: number) =>
    graph.constant(`${name}.input_${part}`, "float32", [], Float32Array.of(value));
  const at = graph.constant(`${name}.input_zero_point`, "uint8", [], Uint8Array.of(zeroPoint));
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
 * Adds the quantization of an input with a scale for each row, as `toAffineQuantizedPerToken` does it,
 * moved up by 128.
 *
 * @returns the names of the integers as floats, and of the scales, (rows, 1).
 */
export function addDynamicInput(
  graph: GraphEditor,
  name: string,
  x: string,
  { quantMin, quantMax, eps }: DynamicInput,
): { integers: string; scale: string } {
  const scalar = (part: string, value: number) =>
    graph.constant(`${name}.${part}`, "float32", [], Float32Array.of(value));
  const axes = graph.constant(`${name}.axes`, "int64", [1], BigInt64Array.of(1n));
  const largest = graph.add(name, "ReduceMax", [graph.add(name, "Abs", [x]), axes], {
    keepdims: 1,
  });
  const ratio = graph.add(name, "Div", [largest, scalar("half_range", (quantMax - quantMin) / 2)]);
  const scale = graph.add(name, "Max", [
    ratio,
    scalar("eps", Math.max(Math.fround(eps), 2 ** -126)),
  ]);
  const reciprocal = graph.add(name, "Reciprocal", [scale]);
  let scaled = graph.add(name, "Mul", [x, reciprocal]);
  if (quantMax < 127) {
    // QuantizeLinear saturates where the type ends; a narrower range is cut beforehand.
    scaled = graph.add(name, "Clip", [scaled, scalar("min", quantMin), scalar("max", quantMax)]);
  }
  const one = scalar("one", 1);
  const zero = graph.constant(`${name}.input_zero_point`, "uint8", [], Uint8Array.of(128));
  const q = graph.add(name, "QuantizeLinear", [scaled, one, zero]);
  return { integers: graph.add(name, "DequantizeLinear", [q, one, zero]), scale };
}
