/**
 * The convolution of each channel by itself. An invocation makes a block of output pixels of four
 * channels, and loads each input pixel that they read once.
 */
import type { DType } from "../../../numbers/dtype.ts";
import type { Clip } from "../../convolution.ts";
import { clipFunction } from "./clip.ts";
import { loader } from "./elements.ts";
import { channelsOnly, encodedFour, foursLoader, foursType } from "./fours.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { type ArrayBinding, each, type Shader } from "./shader.ts";

const WORKGROUP = 64;

/** Numbers down and across. */
export interface Pair {
  readonly down: number;
  readonly across: number;
}

/** The places of a convolution of channels, known when its kernel is made. */
export interface DepthwisePlaces {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  /** Outputs of an invocation. */
  readonly block: Pair;
}

/** What distinguishes convolutions of channels of floats from one another. */
export interface DepthwiseSpec extends DepthwisePlaces {
  /** Of `x`, of `w` and of the result, channels last. */
  readonly dtype: DType;
  readonly bias: DType | undefined;
  readonly clip: Clip | undefined;
}

/** Parameters of the kernel, in order; `fours` are those of a pixel's channels, read and written. */
const FIELDS = [
  "images",
  "channels",
  "fours",
  "out_fours",
  "in_down",
  "in_across",
  "out_down",
  "out_across",
  "before_down",
  "before_across",
];

/** Workgroups for outputs of this size. */
export function depthwiseWorkgroups(
  images: number,
  fours: number,
  out: Pair,
  { block }: DepthwisePlaces,
): number {
  const blocks = Math.ceil(out.down / block.down) * Math.ceil(out.across / block.across);
  return Math.ceil(images * fours * blocks / WORKGROUP);
}

/** What convolutions of channels consist of, of floats or of bytes as floats, whose sums are exact. */
export interface DepthwiseShader extends DepthwisePlaces {
  readonly dtype: DType;
  /** Of what is loaded at a place of `x` or `w`, four floats. */
  readonly x: (at: string) => string;
  readonly w: (at: string) => string;
  /** Bindings after `x` and `w`. */
  readonly arrays: readonly ArrayBinding[];
  readonly functions: string;
  /** Declarations for the four channels from `channel` on. */
  readonly prologue: string;
  /** What is stored, a vector, from the sums; 0 is added up outside of the input. */
  readonly value: (sum: string) => string;
  /** The dtype of what is stored. */
  readonly output: DType;
}

/** The places along one dimension that outputs of a block read, and which tap of which output each is. */
function reads(
  block: number,
  kernel: number,
  stride: number,
  dilation: number,
): Map<number, { output: number; tap: number }[]> {
  const places = new Map<number, { output: number; tap: number }[]>();
  for (let output = 0; output < block; output++) {
    for (let tap = 0; tap < kernel; tap++) {
      const place = output * stride + tap * dilation;
      places.set(place, [...places.get(place) ?? [], { output, tap }]);
    }
  }
  return new Map([...places].sort(([a], [b]) => a - b));
}

/** Builds the shader. */
export function depthwiseShader(spec: DepthwiseShader): Shader {
  const { dtype, kernel, stride, dilation, block, value, output } = spec;
  const down = [...reads(block.down, kernel.down, stride.down, dilation.down)];
  const across = [...reads(block.across, kernel.across, stride.across, dilation.across)];
  const column = ([place]: (typeof across)[number]) =>
    `let at_${place} = first_across + ${place};
let in_${place} = u32(at_${place}) < params.in_across;
let offset_${place} = select(0u, u32(at_${place}), in_${place}) * params.fours;`;
  const row = ([place, rows]: (typeof down)[number]) =>
    `{
  let at = first_down + ${place};
  let inside = u32(at) < params.in_down;
  let line = (image * params.in_down + select(0u, u32(at), inside)) * params.in_across * params.fours + four;
  ${
      across.map(([place, columns]) =>
        `{
  let v = select(vec4<f32>(), ${spec.x(`line + offset_${place}`)}, inside && in_${place});
  ${
          rows.flatMap((r) =>
            columns.map((c) => `acc_${r.output}_${c.output} += v * w_${r.tap}_${c.tap};`)
          ).join("\n")
        }
}`
      ).join("\n")
    }
}`;
  const store = (r: number, c: number) =>
    `if (out_down + ${r}u < params.out_down && out_across + ${c}u < params.out_across && four < params.out_fours) {
  let value = ${value(`acc_${r}_${c}`)};
  let kept = ${channelsOnly(output.isFloat ? "vec4<f32>" : "vec4<i32>", "value")};
  let pixel = (image * params.out_down + out_down + ${r}u) * params.out_across + out_across + ${c}u;
  y[pixel * params.out_fours + four] = ${encodedFour(output, "kept")};
}`;
  return {
    arrays: [
      ["x", foursType(dtype)],
      ["w", foursType(dtype)],
      ...spec.arrays,
      ["y", foursType(output), "read_write"],
    ],
    fields: FIELDS,
    declarations: foursLoader("x", dtype) + foursLoader("w", dtype) + spec.functions,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
let four = i % params.fours;
let channel = four * 4u;
let across = (params.out_across + ${block.across - 1}u) / ${block.across}u;
let down = (params.out_down + ${block.down - 1}u) / ${block.down}u;
let out_across = i / params.fours % across * ${block.across}u;
let out_down = i / params.fours / across % down * ${block.down}u;
let image = i / params.fours / across / down;
if (image >= params.images) { return; }
${spec.prologue}
${
      each(kernel.down, (r) =>
        each(kernel.across, (c) =>
          `let w_${r}_${c} = ${spec.w(`${r * kernel.across + c}u * params.fours + four`)};`))
    }
${each(block.down, (r) => each(block.across, (c) => `var acc_${r}_${c} = vec4<f32>();`))}
let first_across = i32(out_across * ${stride.across}u) - i32(params.before_across);
let first_down = i32(out_down * ${stride.down}u) - i32(params.before_down);
${across.map(column).join("\n")}
${down.map(row).join("\n")}
${each(block.down, (r) => each(block.across, (c) => store(r, c)))}
`,
  };
}

/** The kernel for floats. */
export function depthwiseKernel(spec: DepthwiseSpec): Kernel {
  return kernel("depthwise", spec, depthwise);
}

function depthwise({ dtype, bias, clip, ...places }: DepthwiseSpec): Shader {
  const biasOf = (e: number) => `load_bias(min(channel + ${e}u, params.channels - 1u))`;
  return depthwiseShader({
    ...places,
    dtype,
    output: dtype,
    x: (at) => `fours_x(${at})`,
    w: (at) => `fours_w(${at})`,
    arrays: bias ? [["bias", "u32"]] : [],
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : ""),
    prologue: bias ? `let shift = vec4<f32>(${[0, 1, 2, 3].map(biasOf).join(", ")});` : "",
    value: (sum) => {
      const shifted = bias ? `(${sum} + shift)` : sum;
      if (!clip) return shifted;
      return `vec4<f32>(${["x", "y", "z", "w"].map((e) => `clip(${shifted}.${e})`).join(", ")})`;
    },
  });
}
