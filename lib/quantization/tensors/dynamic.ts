/**
 * Quantizing activations to int8 at run time in the ways that have no kernel of their own: with one scale for all of
 * an input, or with zero points.
 *
 * @module
 */
import { bfloat16, type DType, float16, float32, int32, int8 } from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import type { Argument } from "../../backend/expression.ts";
import { Formula } from "../../tensor/formula.ts";
import { amax, amin } from "../../tensor/reduction.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { quantizeAffine } from "../affine/primitives.ts";
import { AffineQuantizedTensor } from "./quantized_tensor.ts";

/** How an input is quantized by its own range. */
export interface DynamicRange {
  readonly quantMin: number;
  readonly quantMax: number;
  /** The least scale. */
  readonly eps: number;
  /** Whether all of the input has one scale, not each row its own. */
  readonly perTensor: boolean;
  /** Whether the range is laid onto all integers, with a zero point. */
  readonly asymmetric: boolean;
}

/** Rounds a step of a formula to what a dtype holds. */
function stored(formula: Formula, value: Argument, dtype: DType): Argument {
  if (dtype === float16) return formula.apply("float16", value);
  return dtype === bfloat16 ? formula.apply("bfloat16", value) : value;
}

/** The ends of a range that holds zero, as a formula reads them. */
function ends(formula: Formula, min: Tensor, max: Tensor): { low: Argument; high: Argument } {
  return {
    low: formula.apply("minimum", formula.read(min, "float"), 0),
    high: formula.apply("maximum", formula.read(max, "float"), 0),
  };
}

/**
 * A float tensor as int8 by its own range, the formulas of `chooseQParamsAffine` computed on the device with the
 * same rounding: nothing is read back and nothing waits.
 *
 * @param input float, not empty, at least one dimension.
 * @returns int8 of the input's shape, which owns its scales and zero points. Enqueued.
 */
export function toAffineQuantizedDynamic(
  input: Tensor,
  range: DynamicRange,
): AffineQuantizedTensor {
  const where = "toAffineQuantizedDynamic";
  const { quantMin, quantMax, eps, perTensor, asymmetric } = range;
  const { dtype, shape } = input;
  const dim = perTensor ? undefined : -1;
  using min = amin(input, dim);
  using max = amax(input, dim);
  const ofScale = new Formula(where);
  const { low, high } = ends(ofScale, min, max);
  const steps = quantMax - quantMin;
  const ratio = asymmetric
    ? ofScale.apply("quotient", stored(ofScale, ofScale.apply("sub", high, low), dtype), steps)
    : ofScale.apply(
      "quotient",
      ofScale.apply("maximum", ofScale.apply("neg", low), high),
      steps / 2,
    );
  const least = Math.max(roundTo(dtype, eps), dtype === float16 ? 2 ** -24 : 2 ** -126);
  ofScale.apply("maximum", stored(ofScale, ratio, dtype), least);
  const scale = ofScale.result(float32);
  const zeroPoint = asymmetric ? zeroPointOf(input, min, max, scale, range) : null;
  const blockSize = shape.map((size, d) => perTensor || d === shape.length - 1 ? size : 1);
  const intData = quantizeAffine(input, blockSize, scale, zeroPoint, int8, { quantMin, quantMax });
  const parts = { intData, scale, zeroPoint, blockSize, quantMin, quantMax };
  return new AffineQuantizedTensor({ ...parts, dtype, ownsParams: true });
}

/** `clamp(quantMin − round(low / scale))`. */
function zeroPointOf(
  { dtype }: Tensor,
  min: Tensor,
  max: Tensor,
  scale: Tensor,
  { quantMin, quantMax }: DynamicRange,
): Tensor {
  const formula = new Formula("toAffineQuantizedDynamic");
  const { low } = ends(formula, min, max);
  const quotient = formula.apply("quotient", low, formula.read(scale, "float"));
  const steps = formula.apply("round", stored(formula, quotient, dtype));
  const at = formula.apply("sub", formula.read(quantMin, "float"), steps);
  const bounded = formula.apply("minimum", formula.apply("maximum", at, quantMin), quantMax);
  formula.apply("int", bounded);
  return formula.result(int32);
}
