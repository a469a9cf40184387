/**
 * Weights in bytes with a scale a channel, which takes half the place where float16 can hold it.
 *
 * @module
 */
import { float16Bits, float16Value, roundToFloat16 } from "../../numbers/float16.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import { dataTypeCode } from "../file/data_type.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
import { quantLimits, type QuantSpec } from "../qdq/params.ts";
import { layout, type QuantizedConstant, quantizeWeight } from "../qdq/weights.ts";

/** Scales of which so many are together are worth a Cast. */
const MANY = 64;
/** Between these, float16 has all of its digits. */
const LEAST_NORMAL = 2 ** -14;
const GREATEST = 65504;

/** The least number of float16 that is no less. */
function upToHalf(x: number): number {
  const near = roundToFloat16(x);
  return near >= x ? near : float16Value(float16Bits(near) + 1);
}

/**
 * A weight in bytes. Where all of many scales are normal numbers of float16 they are such, a little larger than they
 * would be, so that nothing is lost when they are stored so.
 *
 * @param axis has a scale for each index; one scale for all if there is none.
 */
export function channelBytes(
  weight: FloatConstant,
  spec: QuantSpec,
  axis: number | undefined,
): QuantizedConstant {
  const quantized = quantizeWeight(weight, spec, axis);
  const { scale, zeroPoint } = quantized;
  const fits = scale.length >= MANY && scale.every((x) => x >= LEAST_NORMAL && x < GREATEST);
  if (!fits) return quantized;
  const halves = scale.map(upToHalf);
  const { outer, channels, inner } = layout(weight.dims, axis);
  const [low, high] = quantLimits(spec);
  const { integers } = quantized;
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const [perStep, zero] = [1 / halves[c], zeroPoint[c]];
      for (const end = i + inner; i < end; i++) {
        const q = roundHalfEven(weight.data[i] * perStep) + zero;
        integers[i] = q < low ? low : q > high ? high : q;
      }
    }
  }
  return { ...quantized, scale: halves };
}

/**
 * The same with the errors of each channel adding up to nothing: those integers that it costs least are rounded the other
 * way. What inputs have in common, as the outputs of a ReLU have a mean, is then multiplied right.
 *
 * @param axis has a scale for each index.
 */
export function withoutBias(
  { dims, data }: FloatConstant,
  quantized: QuantizedConstant,
  spec: QuantSpec,
  axis: number,
): QuantizedConstant {
  const { integers, scale, zeroPoint } = quantized;
  const { outer, channels, inner } = layout(dims, axis);
  const [low, high] = quantLimits(spec);
  const errors = new Float64Array(outer * inner);
  for (let c = 0; c < channels; c++) {
    const [perStep, zero] = [1 / scale[c], zeroPoint[c]];
    const place = (k: number) => (Math.floor(k / inner) * channels + c) * inner + k % inner;
    let sum = 0;
    for (let k = 0; k < errors.length; k++) {
      const at = place(k);
      sum += errors[k] = data[at] * perStep - (integers[at] - zero);
    }
    const sign = Math.sign(sum);
    let count = Math.min(Math.round(Math.abs(sum)), errors.length);
    if (count === 0) continue;
    const least = errors.map((error) => sign * error).sort()[errors.length - count];
    for (let k = 0; k < errors.length && count > 0; k++) {
      const at = place(k);
      const other = integers[at] + sign;
      if (sign * errors[k] < least || other < low || other > high) continue;
      integers[at] = other;
      count--;
    }
  }
  return quantized;
}

/**
 * Adds scales; those that are numbers of float16 are stored so, with a Cast behind them that onnxruntime computes when
 * it loads the model.
 *
 * @returns the name of the scales in float32.
 */
export function addScales(
  editor: GraphEditor,
  name: string,
  dims: readonly number[],
  scale: Float32Array,
): string {
  if (!areHalves(scale)) return editor.constant(name, "float32", dims, scale);
  const half = editor.constant(`${name}_half`, "float16", dims, scale);
  const read = editor.name(name);
  editor.prepend(castToFloat(editor, half, read));
  return read;
}

/** Whether many scales are all numbers of float16. */
export function areHalves(scale: Float32Array): boolean {
  return scale.length >= MANY && scale.every((x) => roundToFloat16(x) === x);
}

/** A Cast to float32, without a name: these are many. */
export function castToFloat(editor: GraphEditor, from: string, to: string) {
  return editor.messages.node({
    opType: "Cast",
    input: [from],
    output: [to],
    attributes: { to: { i: dataTypeCode("float32") } },
  });
}
