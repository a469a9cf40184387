/**
 * The convolution of each channel of bytes by itself. Sums are added up as floats: products of bytes as stored
 * and of weights less their zero points are whole numbers of at most 128 · 255, of which float32 adds up 514
 * exactly; the input's zero point is taken out of the sum, which leaves as many.
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

/** Four numbers of channels from `channel_F` on, of an array that has one for all or one a channel. */
function ofChannels(spec: PackedLinearSpec, f: number, value: (at: string) => string): string {
  if (spec.wParams === "one") return value("0u");
  const at = (e: number) =>
    paramIndex(spec.wParams, `min(channel_${f} + ${e}u, params.channels - 1u)`);
  return `vec4<f32>(${E.map((e) => value(at(e))).join(", ")})`;
}

function packedDepthwise(spec: PackedDepthwiseSpec): Shader {
  const { xOffset, wOffset, xZeroPoint, wZeroPoint, bias, output, clip, requantize, rescale } =
    spec;
  const exact = !output.isFloat;
  const zx = zeroPoint("x_zero_point", xZeroPoint, xOffset, "0u");
  const zw = (at: string) => `f32(${zeroPoint("w_zero_point", wZeroPoint, wOffset, at) ?? "0"})`;
  const bytes = requantize !== undefined || rescale !== undefined;
  const biasOf = (load: string, f: number) => (e: number) =>
    `${load}(min(channel_${f} + ${e}u, params.channels - 1u))`;
  const four = (value: (part: string) => string) => E.map((e) => value("xyzw"[e])).join(", ");
  const shared = [
    `let zx = f32(${zx ?? "0"});`,
    requantize ? "let inverse = y_inverse[0];" : "",
    bytes ? "let zero_point = y_zero_point[0];" : "",
  ];
  const shift = (type: string, load: string, f: number) =>
    `let shift_${f} = ${type}(${E.map(biasOf(load, f)).join(", ")});`;
  const prologue = (f: number) =>
    [
      `let zw_${f} = vec4<f32>(${ofChannels(spec, f, zw)});`,
      exact
        ? ""
        : `let w_factor_${f} = vec4<f32>(${ofChannels(spec, f, (at) => `w_scale[${at}]`)});`,
      exact || rescale ? "" : `let factor_${f} = x_scale[0] * w_factor_${f};`,
      bias && rescale ? shift("vec4<i32>", "load_int_bias", f) : "",
      bias && !rescale ? shift("vec4<f32>", "load_bias", f) : "",
    ].filter((line) => line !== "").join("\n");
  const value = (withZeroPoint: string, f: number) => {
    const sum = `(${withZeroPoint} - zx * w_sum_${f})`;
    const whole = `vec4<i32>${sum}`;
    if (exact) return whole;
    if (rescale) {
      const added = bias ? `(${whole} + shift_${f})` : whole;
      const integer = (p: string) => `rescale(${added}.${p}, w_factor_${f}.${p}, zero_point)`;
      return `vec4<i32>(${four((p) => storedByte(integer(p), spec))})`;
    }
    const y = bias ? `(${sum} * factor_${f} + shift_${f})` : `(${sum} * factor_${f})`;
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
    w: (numbers, f) => `(${numbers} - zw_${f})`,
    outside: "zx",
    arrays: packedArrays(spec, false, false),
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : "") +
      byteFunctions(spec),
    shared: shared.filter((line) => line !== "").join("\n"),
    prologue,
    value,
  });
}
