/**
 * Maxima and means of windows, four channels at a time. A window is taken by one invocation, or if it is
 * large by a workgroup.
 */
import type { DType } from "../../../numbers/dtype.ts";
import { channelsOnly, encodedFour, foursLoader, foursType, numbersType } from "./fours.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { rescaleFunction, type Rescaling } from "./packed_linear.ts";
import { DIVIDE } from "./reciprocal.ts";
import type { ArrayBinding, Shader } from "./shader.ts";

const WORKGROUP = 64;

/** What distinguishes kernels that pool. */
export interface PoolSpec {
  /** Of input and output, channels last. */
  readonly dtype: DType;
  readonly kind: "max" | "average";
  /** Whether windows divide the input evenly instead of having one size. */
  readonly adaptive: boolean;
  /** Whether a mean counts what stands around the input. */
  readonly countPadding: boolean;
  /** Whether a workgroup takes a window. */
  readonly team: boolean;
  /**
   * How means of bytes become bytes; `offset` is what is subtracted from either. Bindings after `x`: the
   * scale and zero point of the input, and those of the result.
   */
  readonly rescale?: Rescaling;
}

const SIDES = ["down", "across"] as const;
/** Parameters of each side, in order. */
const PER_SIDE = ["size", "out", "kernel", "stride", "before", "after", "dilation"];

const RESCALE_ARRAYS: readonly ArrayBinding[] = [
  ["x_scale", "f32"],
  ["x_zero_point", "f32"],
  ["y_scale", "f32"],
  ["y_zero_point", "f32"],
];

/** Parameters of the kernel, in order; `divisor` is 0 if sums are divided by their counts. */
const FIELDS = [
  "images",
  "channels",
  "fours",
  "divisor",
  ...SIDES.flatMap((side) => PER_SIDE.map((field) => `${field}_${side}`)),
];

/** Workgroups for so many outputs of four channels. */
export function poolWorkgroups(outputs: number, { team }: PoolSpec): number {
  return team ? outputs : Math.ceil(outputs / WORKGROUP);
}

/** The kernel that pools. */
export function poolKernel(spec: PoolSpec): Kernel {
  return kernel("pool", spec, pool);
}

/** What an output's window is along a side: its start, and which taps lie inside. */
function windowOf(side: string, { adaptive, countPadding }: PoolSpec): string {
  const p = (field: string) => `params.${field}_${side}`;
  if (adaptive) {
    return /* wgsl */ `
let start_${side} = i32(out_${side} * ${p("size")} / ${p("out")});
let from_${side} = 0u;
let to_${side} = ((out_${side} + 1u) * ${p("size")} + ${p("out")} - 1u) / ${
      p("out")
    } - u32(start_${side});
let counted_${side} = to_${side};`;
  }
  // Taps that lie before `end`.
  const taps = (end: string) =>
    `clamp((${end} - start_${side} + i32(${p("dilation")}) - 1) / i32(${p("dilation")}), 0, i32(${
      p("kernel")
    }))`;
  return /* wgsl */ `
let start_${side} = i32(out_${side} * ${p("stride")}) - i32(${p("before")});
let from_${side} = u32(${taps("0")});
let to_${side} = u32(${taps(`i32(${p("size")})`)});
let counted_${side} = ${
    countPadding ? `u32(${taps(`i32(${p("size")} + ${p("after")})`)})` : `to_${side} - from_${side}`
  };`;
}

/** Where a tap along a side is. */
function tapAt(side: string, tap: string, { adaptive }: PoolSpec): string {
  return `u32(start_${side} + i32(${tap}${adaptive ? "" : ` * params.dilation_${side}`}))`;
}

function pool(spec: PoolSpec): Shader {
  const { dtype, kind, team, rescale } = spec;
  const type = numbersType(dtype);
  const isFloat = dtype.isFloat;
  const first = kind === "average" ? `${type}()` : isFloat ? `${type}(least())` : `${type}(-128)`;
  const taken = (v: string) => kind === "average" ? `acc += ${v};` : `acc = larger(acc, ${v});`;
  const divisor = "f32(select(params.divisor, counted, params.divisor == 0u))";
  const part = (p: string) => `rescale(total.${p}, multiplier, y_zero_point[0])`;
  const bytes = rescale
    ? `let inside = i32((to_down - from_down) * (to_across - from_across));
let total = acc - inside * (i32(x_zero_point[0]) - ${rescale.offset});
let multiplier = divide(x_scale[0], y_scale[0] * ${divisor});
let value = vec4<i32>(${["x", "y", "z", "w"].map(part).join(", ")}) - ${rescale.offset};`
    : "";
  const value = kind === "max" ? "acc" : `acc / ${divisor}`;
  const read = (down: string, across: string) =>
    `fours_x(((image * params.size_down + ${down}) * params.size_across + ${across}) * params.fours + four)`;
  const alone = /* wgsl */ `
for (var t = from_down; t < to_down; t++) {
  let down = ${tapAt("down", "t", spec)};
  for (var u = from_across; u < to_across; u++) {
    ${taken(read("down", tapAt("across", "u", spec)))}
  }
}`;
  const shared = /* wgsl */ `
let width = max(to_across - from_across, 1u);
for (var t = lane; t < (to_down - from_down) * (to_across - from_across); t += ${WORKGROUP}u) {
  let down = ${tapAt("down", "(from_down + t / width)", spec)};
  let across = ${tapAt("across", "(from_across + t % width)", spec)};
  ${taken(read("down", "across"))}
}
partial[lane] = acc;
workgroupBarrier();
for (var half = ${WORKGROUP / 2}u; half > 0u; half >>= 1u) {
  if (lane < half) {
    acc = partial[lane];
    ${taken("partial[lane + half]")}
    partial[lane] = acc;
  }
  workgroupBarrier();
}
if (lane > 0u) { return; }`;
  return {
    arrays: [
      ["x", foursType(dtype)],
      ...rescale ? RESCALE_ARRAYS : [],
      ["y", foursType(dtype), "read_write"],
    ],
    fields: FIELDS,
    declarations: foursLoader("x", dtype) + (kind === "max" ? largerFunction(isFloat) : "") +
      (rescale ? DIVIDE + rescaleFunction(rescale) : "") +
      (team ? `var<workgroup> partial: array<${type}, ${WORKGROUP}>;` : ""),
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = ${team ? "index" : `index * ${WORKGROUP}u + lane`};
let four = i % params.fours;
let channel = four * 4u;
let out_across = i / params.fours % params.out_across;
let out_down = i / params.fours / params.out_across % params.out_down;
let image = i / params.fours / params.out_across / params.out_down;
if (image >= params.images) { return; }
${SIDES.map((side) => windowOf(side, spec)).join("\n")}
let counted = counted_down * counted_across;
var acc = ${first};
${team ? shared : alone}
${bytes || `let value = ${value};`}
let kept = ${channelsOnly(type, "value")};
y[i] = ${encodedFour(dtype, "kept")};
`,
  };
}

/** The larger of two fours; a NaN is larger than all. */
function largerFunction(isFloat: boolean): string {
  if (!isFloat) {
    return "fn larger(a: vec4<i32>, b: vec4<i32>) -> vec4<i32> { return max(a, b); }\n";
  }
  return /* wgsl */ `
fn least() -> f32 {
  var bits = 0xff800000u; // not known beforehand, since a constant must be finite
  return bitcast<f32>(bits);
}
fn larger(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let is_nan = (bitcast<vec4<u32>>(b) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
  return select(a, b, (b > a) | is_nan);
}
`;
}
