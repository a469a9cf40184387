/**
 * Scales and zero points of activations.
 *
 * @module
 */
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphFacts } from "./graph_facts.ts";
import {
  type QuantParams,
  quantParams,
  type QuantSpec,
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
