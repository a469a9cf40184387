/**
 * The convolution of each channel of bytes by itself. Sums are added up as floats: products of bytes
 * less their zero points are whole numbers of at most 255², of which float32 adds up 257 exactly.
 */
import { int8 } from "../../../numbers/dtype.ts";
import { clipFunction } from "./clip.ts";
import { type DepthwisePlaces, depthwiseShader } from "./depthwise.ts";
import { loader, rounded } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import {
  byteFunctions,
  packedArrays,
  type PackedLinearSpec,
  paramIndex,
  storedByte,
  zeroPoint,
} from "./packed_linear.ts";
import type { Shader } from "./shader.ts";

/** Products that float32 adds up exactly. */
export const MOST_EXACT_TAPS = 257;

/** What distinguishes convolutions of channels of bytes from one another. */
export type PackedDepthwiseSpec = PackedLinearSpec & DepthwisePlaces;

/** The kernel for bytes. */
export function packedDepthwiseKernel(spec: PackedDepthwiseSpec): Kernel {
  return kernel("packed depthwise", spec, packedDepthwise);
}

const E = [0, 1, 2, 3];

/** Four numbers of channels, of an array that has one for all or one a channel. */
function ofChannels(spec: PackedLinearSpec, value: (at: string) => string): string {
  if (spec.wParams === "one") return value("0u");
  const at = (e: number) => paramIndex(spec.wParams, `min(channel + ${e}u, params.channels - 1u)`);
  return `vec4<f32>(${E.map((e) => value(at(e))).join(", ")})`;
}

function packedDepthwise(spec: PackedDepthwiseSpec): Shader {
  const { xOffset, wOffset, xZeroPoint, wZeroPoint, bias, output, clip, requantize, rescale } =
    spec;
  const exact = !output.isFloat;
  const zx = zeroPoint("x_zero_point", xZeroPoint, xOffset, "0u");
  const zw = (at: string) => `f32(${zeroPoint("w_zero_point", wZeroPoint, wOffset, at) ?? "0"})`;
  const bytes = requantize !== undefined || rescale !== undefined;
  const biasOf = (load: string) => (e: number) =>
    `${load}(min(channel + ${e}u, params.channels - 1u))`;
  const four = (value: (part: string) => string) => E.map((e) => value("xyzw"[e])).join(", ");
  const prologue = [
    `let zx = f32(${zx ?? "0"});`,
    `let zw = vec4<f32>(${ofChannels(spec, zw)});`,
    exact ? "" : `let w_factor = vec4<f32>(${ofChannels(spec, (at) => `w_scale[${at}]`)});`,
    exact || rescale ? "" : "let factor = x_scale[0] * w_factor;",
    bias && rescale ? `let shift = vec4<i32>(${E.map(biasOf("load_int_bias")).join(", ")});` : "",
    bias && !rescale ? `let shift = vec4<f32>(${E.map(biasOf("load_bias")).join(", ")});` : "",
    requantize ? "let inverse = y_inverse[0];" : "",
    bytes ? "let zero_point = y_zero_point[0];" : "",
  ];
  const value = (sum: string) => {
    const whole = `vec4<i32>(${sum})`;
    if (exact) return whole;
    if (rescale) {
      const added = bias ? `(${whole} + shift)` : whole;
      const integer = (p: string) => `rescale(${added}.${p}, w_factor.${p}, zero_point)`;
      return `vec4<i32>(${four((p) => storedByte(integer(p), spec))})`;
    }
    const y = bias ? `(${sum} * factor + shift)` : `(${sum} * factor)`;
    const clipped = (p: string) => clip ? `clip(${y}.${p})` : `${y}.${p}`;
    if (!requantize) return clip ? `vec4<f32>(${four(clipped)})` : y;
    const kept = (p: string) => {
      const number = rounded(output, `${y}.${p}`);
      return clip ? `clip(${number})` : number;
    };
    const integer = (p: string) => `quantize(${kept(p)}, inverse, zero_point)`;
    return `vec4<i32>(${four((p) => storedByte(integer(p), spec))})`;
  };
  return depthwiseShader({
    ...spec,
    dtype: int8,
    output: bytes ? int8 : output,
    x: (at) => `(vec4<f32>(fours_x(${at})) - zx)`,
    w: (at) => `(vec4<f32>(fours_w(${at})) - zw)`,
    arrays: packedArrays(spec, false, false),
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : "") +
      byteFunctions(spec),
    prologue: prologue.filter((line) => line !== "").join("\n"),
    value,
  });
}
