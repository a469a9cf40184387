/**
 * Scales and zero points of activations.
 *
 * @module
 */
import { given } from "../../numbers/arguments.ts";
import { dtypes } from "../../numbers/dtype.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphFacts } from "./graph_facts.ts";
import {
  type QuantParams,
  quantParams,
  type QuantSpec,
  type QuantType,
  representable,
  type TensorRange,
} from "./params.ts";
import type { RangedPlacement } from "./ranged_placement.ts";

/** What a caller knows better of a value. */
export type TensorOverride =
  /** Its range. */
  | TensorRange
  /** Its scale and zero point themselves. */
  | { readonly scale: number; readonly zeroPoint: number };

/** What is wrong with what a caller says of a value, in words; nothing if it can be written. */
export function overrideProblem(override: unknown, type: QuantType): string | undefined {
  if (typeof override !== "object" || override === null) {
    return `is ${given(override)}; give { min, max }, or { scale, zeroPoint }`;
  }
  const { min, max, scale, zeroPoint } = override as Partial<TensorRange & QuantParams>;
  const isNumber = (x: unknown): x is number =>
    typeof x === "number" && Number.isFinite(Math.fround(x));
  if ("scale" in override) {
    const { min: least, max: greatest } = dtypes[type];
    if (!isNumber(scale) || !(Math.fround(scale) > 0)) {
      return `has the scale ${given(scale)}; give a float32 number above 0`;
    }
    const fits = Number.isInteger(zeroPoint) && zeroPoint! >= least && zeroPoint! <= greatest;
    if (fits && isNumber(scale * (greatest - least))) return undefined;
    return fits
      ? `has the scale ${scale}, whose integers stand for numbers that no float32 is`
      : `has the zero point ${given(zeroPoint)}; give an integer from ${least} to ${greatest}`;
  }
  return isNumber(min) && isNumber(max) && min <= max && isNumber(max - min)
    ? undefined
    : `has a range from ${given(min)} to ${given(max)}; give float32 numbers, the least first`;
}

/**
 * Scale and zero point of each activation that becomes bytes, by the name of those that share them.
 *
 * @param overrides what is known better, by the name of any of those.
 * @throws {OnnxError} if the range of a value is not known.
 */
export function activationParams(
  { bytes, ranges }: RangedPlacement,
  facts: GraphFacts,
  spec: QuantSpec,
  overrides: ReadonlyMap<string, TensorOverride>,
): Map<string, QuantParams & TensorRange> {
  const params = new Map<string, QuantParams & TensorRange>();
  for (const [value, group] of bytes) {
    const override = overrides.get(value);
    if (facts.isConstant(value) || params.has(group) && !override) continue;
    if (override && "scale" in override) {
      const { zeroPoint } = override;
      const given = { type: spec.type, scale: Math.fround(override.scale), zeroPoint };
      params.set(group, { ...given, ...representable(given) });
      continue;
    }
    const range = override ?? ranges.get(group);
    if (!range) {
      throw new OnnxError(
        `quantizeStatic: the calibration has not observed ${
          JSON.stringify(value)
        }; calibrate with the same ` +
          `opTypesToQuantize and without nodesToExclude`,
      );
    }
    params.set(group, { ...quantParams(range, spec), ...range });
  }
  return params;
}
