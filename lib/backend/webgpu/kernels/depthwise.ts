/**
 * The convolution of each channel by itself. An invocation makes a block of output pixels of four
 * channels, or of a vector of bytes, and loads each input pixel that they read once.
 */
import { type DType, int8 } from "../../../numbers/dtype.ts";
import type { Clip } from "../../convolution.ts";
import { clipFunction } from "./clip.ts";
import { loader } from "./elements.ts";
import { channelsOnly, encodedFour, foursType, numbersIn } from "./fours.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { COMPONENTS } from "./product.ts";
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
  /** Output pixels of an invocation. */
  readonly block: Pair;
  /** Fours of channels of an invocation: 1, or 4 of bytes. */
  readonly fours: 1 | 4;
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
  { block, fours: each }: DepthwisePlaces,
): number {
  const blocks = Math.ceil(out.down / block.down) * Math.ceil(out.across / block.across);
  return Math.ceil(images * fours / each * blocks / WORKGROUP);
}

/** What convolutions of channels consist of, of floats or of bytes as floats, whose sums are exact. */
export interface DepthwiseShader extends DepthwisePlaces {
  readonly dtype: DType;
  /** Four floats, of those of `w` that are loaded and their number in the invocation. */
  readonly w: (numbers: string, f: number) => string;
  /** What `x` is outside of the input, if not 0. Then `w_sum_F` are the sums of taps. */
  readonly outside?: string;
  /** Bindings after `x` and `w`. */
  readonly arrays: readonly ArrayBinding[];
  readonly functions: string;
  /** Declarations that all channels share. */
  readonly shared: string;
  /** Declarations for the four channels from `channel_F` on, under names that end in `f`. */
  readonly prologue: (f: number) => string;
  /** What is stored, a vector, from the sums. */
  readonly value: (sum: string, f: number) => string;
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

/** How an invocation loads its channels of a pixel: the type of a vector, and the numbers of a four in one. */
function loads(dtype: DType, fours: 1 | 4): [string, (v: string, f: number) => string] {
  const stored = dtype.itemSize === 1 ? int8 : dtype;
  if (fours === 1) return [foursType(dtype), (v) => numbersIn(stored, v)];
  return ["vec4<u32>", (v, f) => numbersIn(stored, `${v}.${COMPONENTS[f]}`)];
}

/** The bits of a word of bytes that are channels. */
function maskOf(f: number): string {
  const count = `min(max(params.channels, channel_${f}) - channel_${f}, 4u)`;
  return `let mask_${f} = select((1u << (8u * ${count})) - 1u, 0xffffffffu, ${count} == 4u);`;
}

/** Stores an output pixel of a block. */
function storePixel({ fours, output, value }: DepthwiseShader, r: number, c: number): string {
  const sum = (f: number) => value(`acc_${r}_${c}_${f}`, f);
  const type = output.isFloat ? "vec4<f32>" : "vec4<i32>";
  // A choice between words: what stores lane by lane would otherwise put them together lane by lane too.
  const word = (f: number) =>
    `let value_${f} = ${sum(f)};
let word_${f} = select(0u, (${encodedFour(output, `value_${f}`)}) & mask_${f}, mask_${f} != 0u);`;
  const number = (f: number) =>
    `if (four_${f} < params.out_fours) {
  let channel = channel_${f};
  let value = ${sum(f)};
  let kept = ${channelsOnly(type, "value")};
  y[pixel * params.out_fours + four_${f}] = ${encodedFour(output, "kept")};
}`;
  const words = Array.from({ length: fours }, (_, f) => `word_${f}`).join(", ");
  const stores = output.itemSize === 1
    ? `${each(fours, word)}
y[pixel * vectors + vector] = ${fours === 1 ? words : `vec4<u32>(${words})`};`
    : each(fours, number);
  return `if (out_down + ${r}u < params.out_down && out_across + ${c}u < params.out_across) {
  let pixel = (image * params.out_down + out_down + ${r}u) * params.out_across + out_across + ${c}u;
  ${stores}
}`;
}

/** Builds the shader. */
export function depthwiseShader(spec: DepthwiseShader): Shader {
  const { dtype, kernel, stride, dilation, block, fours, outside, output } = spec;
  const down = [...reads(block.down, kernel.down, stride.down, dilation.down)];
  const across = [...reads(block.across, kernel.across, stride.across, dilation.across)];
  const [element, numbers] = loads(dtype, fours);
  const column = ([place]: (typeof across)[number]) =>
    `let at_${place} = first_across + ${place};
let in_${place} = u32(at_${place}) < params.in_across;
let offset_${place} = select(0u, u32(at_${place}), in_${place}) * vectors;`;
  const row = ([place, rows]: (typeof down)[number]) =>
    `{
  let at = first_down + ${place};
  let inside = u32(at) < params.in_down;
  let line = (image * params.in_down + select(0u, u32(at), inside)) * params.in_across * vectors + vector;
  ${
      across.map(([place, columns]) =>
        `{
  let there = x[line + offset_${place}];
  ${
          each(fours, (f) =>
            `{
  let v = select(vec4<f32>(${outside ?? ""}), vec4<f32>(${
              numbers("there", f)
            }), inside && in_${place});
  ${
              rows.flatMap((r) =>
                columns.map((c) =>
                  `acc_${r.output}_${c.output}_${f} += v * w_${r.tap}_${c.tap}_${f};`
                )
              ).join("\n")
            }
}`)
        }
}`
      ).join("\n")
    }
}`;
  const taps = (text: (r: number, c: number) => string) =>
    each(kernel.down, (r) => each(kernel.across, (c) => text(r, c)));
  const weight = (r: number, c: number) =>
    `let w_${r}_${c} = w[${r * kernel.across + c}u * vectors + vector];
${
      each(fours, (f) =>
        `let w_${r}_${c}_${f} = ${spec.w(`vec4<f32>(${numbers(`w_${r}_${c}`, f)})`, f)};`)
    }`;
  const sums = (f: number) =>
    `var w_sum_${f} = vec4<f32>();
${taps((r, c) => `w_sum_${f} += w_${r}_${c}_${f};`)}`;
  const outputs = (text: (r: number, c: number) => string) =>
    each(block.down, (r) => each(block.across, (c) => text(r, c)));
  return {
    arrays: [
      ["x", element],
      ["w", element],
      ...spec.arrays,
      ["y", output.itemSize === 1 ? element : foursType(output), "read_write"],
    ],
    fields: FIELDS,
    declarations: spec.functions,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
let vectors = params.fours / ${fours}u;
let vector = i % vectors;
${
      each(fours, (f) =>
        `let four_${f} = vector * ${fours}u + ${f}u;
let channel_${f} = four_${f} * 4u;
${output.itemSize === 1 ? maskOf(f) : ""}`)
    }
let across = (params.out_across + ${block.across - 1}u) / ${block.across}u;
let down = (params.out_down + ${block.down - 1}u) / ${block.down}u;
let out_across = i / vectors % across * ${block.across}u;
let out_down = i / vectors / across % down * ${block.down}u;
let image = i / vectors / across / down;
if (image >= params.images) { return; }
${spec.shared}
${each(fours, spec.prologue)}
${taps(weight)}
${outside ? each(fours, sums) : ""}
${outputs((r, c) => each(fours, (f) => `var acc_${r}_${c}_${f} = vec4<f32>();`))}
let first_across = i32(out_across * ${stride.across}u) - i32(params.before_across);
let first_down = i32(out_down * ${stride.down}u) - i32(params.before_down);
${across.map(column).join("\n")}
${down.map(row).join("\n")}
${outputs((r, c) => storePixel(spec, r, c))}
`,
  };
}

/** The kernel for floats. */
export function depthwiseKernel(spec: DepthwiseSpec): Kernel {
  return kernel("depthwise", spec, depthwise);
}

function depthwise({ dtype, bias, clip, ...places }: DepthwiseSpec): Shader {
  const biasOf = (e: number) => `load_bias(min(channel_0 + ${e}u, params.channels - 1u))`;
  return depthwiseShader({
    ...places,
    dtype,
    output: dtype,
    w: (numbers) => numbers,
    arrays: bias ? [["bias", "u32"]] : [],
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : ""),
    shared: "",
    prologue: () => bias ? `let shift = vec4<f32>(${[0, 1, 2, 3].map(biasOf).join(", ")});` : "",
    value: (sum) => {
      const shifted = bias ? `(${sum} + shift)` : sum;
      if (!clip) return shifted;
      return `vec4<f32>(${["x", "y", "z", "w"].map((e) => `clip(${shifted}.${e})`).join(", ")})`;
    },
  });
}
