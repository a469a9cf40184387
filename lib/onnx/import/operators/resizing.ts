/**
 * Resizing.
 *
 * @module
 */
import { resize, type ResizeOptions } from "../../../tensor/interpolate.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { float, int, INTS, text } from "../node/node_attributes.ts";
import type { OperatorCall, OperatorRules } from "../node/operator_rule.ts";
import { axisOf } from "./reshaping.ts";

/** Numbers for the axes that a node names, `other` for the rest. */
function spread(
  values: readonly number[] | undefined,
  axes: readonly number[],
  other: readonly number[],
): number[] | undefined {
  if (!values?.length) return undefined;
  const all = [...other];
  axes.forEach((axis, i) => all[axis] = values[i]);
  return all;
}

/** Sizes of which none is more, or less, than the one asked for, with one scale for all axes. */
function keptAspect(
  shape: readonly number[],
  sizes: readonly number[],
  axes: readonly number[],
  policy: string,
): number[] {
  const ratios = axes.map((axis) => sizes[axis] / shape[axis]);
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return shape.map((size, d) => axes.includes(d) ? Math.floor(scale * size + 0.5) : sizes[d]);
}

function resized(call: OperatorCall): Tensor {
  const { attributes } = call;
  const x = call.input(0);
  const { shape } = x;
  const axes = (attributes.ints("axes") ?? shape.map((_, d) => d)).map((axis) =>
    axisOf(axis, x.ndim)
  );
  const [roi, scales] = [call.numbers(1), call.numbers(2)];
  const wanted = spread(call.numbers(3), axes, shape);
  const policy = attributes.text("keep_aspect_ratio_policy");
  const sizes = wanted && (policy === "stretch" ? wanted : keptAspect(shape, wanted, axes, policy));
  const [starts, ends] = [roi?.slice(0, axes.length), roi?.slice(axes.length)];
  const options: ResizeOptions = {
    mode: attributes.text("mode") as ResizeOptions["mode"],
    coordinateMode: attributes.text("coordinate_transformation_mode") as "half_pixel",
    nearestMode: attributes.text("nearest_mode") as ResizeOptions["nearestMode"],
    cubicCoeff: attributes.float("cubic_coeff_a"),
    excludeOutside: attributes.int("exclude_outside") !== 0,
    antialias: attributes.int("antialias") !== 0,
    extrapolationValue: attributes.float("extrapolation_value"),
    ...(sizes ? { sizes } : { scales: spread(scales, axes, shape.map(() => 1)) }),
    ...(roi?.length && {
      roi: [
        ...spread(starts, axes, shape.map(() => 0))!,
        ...spread(ends, axes, shape.map(() => 1))!,
      ],
    }),
  };
  return resize(x, options);
}

/** Resizing. */
export const RESIZING: OperatorRules = {
  Resize: {
    inputs: [1, 4],
    host: [1, 2, 3],
    grows: true,
    attributes: {
      antialias: int(0),
      axes: INTS,
      coordinate_transformation_mode: text(
        "half_pixel",
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_crop_and_resize",
      ),
      cubic_coeff_a: float(-0.75),
      exclude_outside: int(0),
      extrapolation_value: float(0),
      keep_aspect_ratio_policy: text("stretch", "stretch", "not_larger", "not_smaller"),
      mode: text("nearest", "nearest", "linear", "cubic"),
      nearest_mode: text(
        "round_prefer_floor",
        "round_prefer_floor",
        "round_prefer_ceil",
        "floor",
        "ceil",
      ),
    },
    compute: resized,
  },
};
