/**
 * Pooling and resizing in ONNX.
 *
 * @module
 */
import { AdaptiveAvgPool1d } from "../../nn/adaptive_avg_pool1d.ts";
import { AdaptiveAvgPool2d } from "../../nn/adaptive_avg_pool2d.ts";
import { AdaptiveMaxPool2d } from "../../nn/adaptive_max_pool2d.ts";
import type { AdaptivePool } from "../../nn/adaptive_pool.ts";
import { AvgPool1d } from "../../nn/avg_pool1d.ts";
import { AvgPool2d } from "../../nn/avg_pool2d.ts";
import { MaxPool1d } from "../../nn/max_pool1d.ts";
import { MaxPool2d } from "../../nn/max_pool2d.ts";
import type { Module } from "../../nn/module.ts";
import type { Pool } from "../../nn/pool.ts";
import { Upsample } from "../../nn/upsample.ts";
import { perDimension } from "../../tensor/window.ts";
import { batched, entry, type Form, type FormEntry } from "./form.ts";
import { floats, ints, type Node, NONE } from "./nodes.ts";

/** A window that is moved over `spatial` dimensions. */
function pool<L extends Pool>(
  opType: "MaxPool" | "AveragePool",
  spatial: number,
  more: (layer: L) => Node["attributes"],
): Form<L> {
  return (nodes, layer, [x], use) => {
    const each = (name: "kernelSize" | "stride" | "padding") =>
      perDimension(use.where, name, layer[name], spatial, 0);
    const padding = each("padding");
    return batched(nodes, x, use, spatial + 2, (x) =>
      nodes.add(opType, [x], {
        kernel_shape: { ints: each("kernelSize") },
        strides: { ints: each("stride") },
        pads: { ints: [...padding, ...padding] },
        ceil_mode: Number(layer.ceilMode),
        ...more(layer),
      }));
  };
}

/** Windows that divide the input evenly, where all are of one size. */
function adaptive(opType: "MaxPool" | "AveragePool", spatial: number): Form<AdaptivePool> {
  return (nodes, _, [x], use) =>
    batched(nodes, x, use, spatial + 2, (x, shape) => {
      const [from, to] = [shape.slice(-spatial), use.output.shape.slice(-spatial)];
      if (to.every((size) => size === 1)) {
        return nodes.add(opType === "MaxPool" ? "GlobalMaxPool" : "GlobalAveragePool", [x]);
      }
      if (from.some((size, d) => size % to[d] !== 0)) {
        throw new TypeError(
          `${use.where} has no ONNX form here for an input of ${
            from.join(" × ")
          } and an output of ` +
            `${
              to.join(" × ")
            }: its windows are of several sizes; choose sizes that divide the input's`,
        );
      }
      const window = from.map((size, d) => size / to[d]);
      return nodes.add(opType, [x], { kernel_shape: { ints: window }, strides: { ints: window } });
    });
}

/** One size for all dimensions, or one each. */
function listed(sizes: number | readonly number[], spatial: number): readonly number[] {
  return typeof sizes === "number" ? new Array<number>(spatial).fill(sizes) : sizes;
}

const upsample: Form<Upsample> = (nodes, layer, [x], { sources: [{ shape }], output }) => {
  const { mode, alignCorners, scaleFactor } = layer;
  const spatial = shape.length - 2;
  const nearest = mode.startsWith("nearest");
  const sizes = scaleFactor === undefined
    ? [NONE, ints(output.shape.slice(2))]
    : [floats(listed(scaleFactor, spatial))];
  const coordinates = mode === "nearest"
    ? "asymmetric"
    : alignCorners
    ? "align_corners"
    : nearest
    ? "half_pixel"
    : "pytorch_half_pixel";
  return nodes.add("Resize", [x, NONE, ...sizes], {
    axes: { ints: Array.from({ length: spatial }, (_, d) => d + 2) },
    mode: { s: nearest ? "nearest" : mode === "bicubic" ? "cubic" : "linear" },
    coordinate_transformation_mode: { s: coordinates },
    ...nearest ? { nearest_mode: { s: mode === "nearest" ? "floor" : "round_prefer_ceil" } } : {},
    ...mode === "bicubic" ? { cubic_coeff_a: { f: -0.75 } } : {},
  });
};

const dilations = ({ dilation }: MaxPool1d | MaxPool2d, spatial: number) => ({
  dilations: { ints: [...listed(dilation, spatial)] },
});
const included = ({ countIncludePad }: AvgPool1d | AvgPool2d) => ({
  count_include_pad: Number(countIncludePad),
});

/** Their forms. */
export const POOL_FORMS: readonly FormEntry[] = [
  entry(MaxPool1d, pool("MaxPool", 1, (layer) => dilations(layer, 1))),
  entry(MaxPool2d, pool("MaxPool", 2, (layer) => dilations(layer, 2))),
  entry(AvgPool1d, pool("AveragePool", 1, included)),
  entry(AvgPool2d, pool("AveragePool", 2, included)),
  entry(AdaptiveAvgPool1d, adaptive("AveragePool", 1)),
  entry(AdaptiveAvgPool2d, adaptive("AveragePool", 2)),
  entry(AdaptiveMaxPool2d, adaptive("MaxPool", 2)),
  entry(Upsample, upsample),
];

/** The form of a layer that pools. */
export function poolForm(layer: Module): Form | undefined {
  return POOL_FORMS.find(([type]) => layer instanceof type)?.[1];
}
