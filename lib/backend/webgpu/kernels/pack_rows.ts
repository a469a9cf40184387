/**
 * Writing a matrix as packed rows of signed bytes with their sums, from integers or, quantizing on
 * the way, from floats. Every element is read once, four at a time where rows allow it. A row is
 * taken by a subgroup, or without one by 64 invocations, or by eight where there are many rows.
 */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { literal, loader, rounded } from "./elements.ts";
import { foursType, numbersIn } from "./fours.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { quantizeVectorFunction } from "./quantize.ts";
import { DIVIDE } from "./reciprocal.ts";
import type { ArrayBinding, Shader } from "./shader.ts";

const WORKGROUP = 64;

/** Who takes a row. */
export interface RowTeam {
  /** Rows a workgroup takes. */
  readonly rows: number;
  /** Invocations a row. */
  readonly lanes: number;
  /** Whether they are one whole subgroup, and the workgroup too. */
  readonly subgroup: boolean;
}

/** The team for a matrix of `rows`, on a device whose subgroups have `subgroup` lanes (1: unknown). */
export function rowTeam(rows: number, subgroup: number): RowTeam {
  const many = rows >= 32;
  if (subgroup > 1 && (many || subgroup === 8)) return { rows: 1, lanes: subgroup, subgroup: true };
  return many
    ? { rows: 8, lanes: WORKGROUP / 8, subgroup: false }
    : { rows: 1, lanes: WORKGROUP, subgroup: false };
}

/** What every kernel here is made from. */
interface Rows {
  /** The matrix, bound as `x`. */
  readonly x: DType;
  readonly team: RowTeam;
  /** Whether K is a multiple of four, so that four elements never straddle rows. */
  readonly whole: boolean;
}

/** What differs from kernel to kernel. */
interface RowsShader extends Rows {
  /** Further inputs, each bound as words and read by its loader. */
  readonly inputs?: readonly (readonly [name: string, dtype: DType])[];
  readonly functions: string;
  /** Declarations once an invocation, whose row is `row`. */
  readonly prologue?: string;
  /** Four elements from index `at` on as signed bytes, a vec4<i32>, from `four`. */
  readonly bytes: string;
  /** Written besides. */
  readonly outputs?: readonly ArrayBinding[];
}

/** Parameters: k, words a packed row, rows. */
function rowsShader(spec: RowsShader): Shader {
  const { team, x, whole, inputs = [], functions, prologue = "", bytes, outputs = [] } = spec;
  const { rows, lanes, subgroup } = team;
  const insideOnly = whole ? "" : /* wgsl */ `
      let inside = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.k);
      bytes = select(vec4<i32>(), bytes, inside);`;
  return {
    arrays: [
      ["x", whole ? foursType(x) : "u32"],
      ...inputs.map(([name]) => [name, "u32"] as const),
      ["data", "u32", "read_write"],
      ["sums", "i32", "read_write"],
      ...outputs,
    ],
    fields: ["k", "words", "rows"],
    declarations: /* wgsl */ `
${subgroup ? "" : `var<workgroup> partial: array<i32, ${WORKGROUP}>;`}
${fourLoader(x, whole)}
${inputs.map(([name, dtype]) => loader(name, dtype)).join("")}
${functions}
`,
    workgroup: subgroup ? lanes : WORKGROUP,
    subgroups: subgroup ? "whole" : undefined,
    body: /* wgsl */ `
let row = index${rows > 1 ? ` * ${rows}u + lane / ${lanes}u` : ""};
let first_lane = lane % ${lanes}u;
${prologue}
var sum = 0;
if (row < params.rows) {
  for (var word = first_lane; word < params.words; word += ${lanes}u) {
    let first = word * 4u;
    var low = vec4<u32>();
    if (first < params.k) {
      let four = load_four(row * params.k, first);
      var bytes = ${bytes};
      ${insideOnly}
      sum += bytes.x + bytes.y + bytes.z + bytes.w;
      low = vec4<u32>(bytes) & vec4<u32>(255u);
    }
    data[row * params.words + word] = low.x | (low.y << 8u) | (low.z << 16u) | (low.w << 24u);
  }
}
${subgroup ? SUM_SUBGROUP : sumTeam(lanes)}
`,
  };
}

/** Stores the sum of a row that a subgroup has taken. */
const SUM_SUBGROUP = /* wgsl */ `
sum = subgroupAdd(sum);
if (lane == 0u && row < params.rows) { sums[row] = sum; }`;

/** Stores the sums of rows that `lanes` invocations each have taken. */
function sumTeam(lanes: number): string {
  return /* wgsl */ `
partial[lane] = sum;
workgroupBarrier();
if (first_lane == 0u && row < params.rows) {
  for (var i = 1u; i < ${lanes}u; i++) { sum += partial[lane + i]; }
  sums[row] = sum;
}`;
}

/** `load_four(row, first)`: elements from `first` on of the row that begins at `row`. */
function fourLoader(x: DType, whole: boolean): string {
  const type = x.isFloat ? "f32" : "i32";
  const four = (element: (e: number) => string) =>
    `vec4<${type}>(${[0, 1, 2, 3].map(element).join(", ")})`;
  const loaded = (from: string) =>
    `fn load_four(row: u32, first: u32) -> vec4<${type}> { ${from} }\n`;
  if (!whole) {
    const load = x.isFloat ? "load_x" : "load_int_x";
    return loader("x", x) +
      loaded(`return ${four((e) => `${load}(row + min(first + ${e}u, params.k - 1u))`)};`);
  }
  return loaded(`let v = x[(row + first) >> 2u]; return ${numbersIn(x, "v")};`);
}

/** An 8-bit matrix as it is, shifted by `offset` to signed bytes. */
export function packRowsKernel(x: DType, offset: number, team: RowTeam, whole: boolean): Kernel {
  return kernel("pack rows", { x, offset, team, whole }, packRows);
}

function packRows({ offset, ...rows }: Rows & { readonly offset: number }): Shader {
  return rowsShader({ ...rows, functions: "", bytes: `four - ${offset}` });
}

/** What distinguishes kernels that quantize rows. */
export interface QuantizeRowsSpec {
  readonly x: DType;
  /** The dtype that `x / scale` is rounded in. */
  readonly product: DType;
  readonly quantMin: number;
  readonly quantMax: number;
}

/** A float matrix, quantized with one scale and zero point. */
export function quantizeRowsKernel(
  spec: QuantizeRowsSpec,
  offset: number,
  team: RowTeam,
  whole: boolean,
): Kernel {
  return kernel("quantize rows", { ...spec, offset, team, whole }, quantizeRows);
}

function quantizeRows(
  { x, product, quantMin, quantMax, offset, team, whole }: Rows & QuantizeRowsSpec & {
    readonly offset: number;
  },
): Shader {
  return rowsShader({
    x,
    team,
    whole,
    inputs: [["inverse", float32], ["zero_point", float32]],
    functions: quantizeVectorFunction("quantize", product, quantMin, quantMax),
    prologue: "let inverse = load_inverse(0u); let zero_point = load_zero_point(0u);",
    bytes: `quantize(four, inverse, zero_point) - ${offset}`,
  });
}

/** What distinguishes kernels that find the scale of each row. */
interface DynamicRowsSpec extends Rows, QuantizeRowsSpec {
  readonly x: DType;
  readonly scaleDtype: DType;
  readonly eps: number;
}

/**
 * A float matrix, each row quantized with a scale of its own, which is written as well. The row is
 * read once for its largest magnitude and once more to quantize it. Magnitudes are compared as
 * integers, among which a NaN is the largest, so that it makes the row's scale a NaN.
 */
export function quantizeRowsDynamicKernel(
  spec: QuantizeRowsSpec,
  scaleDtype: DType,
  eps: number,
  team: RowTeam,
  whole: boolean,
): Kernel {
  const all = { ...spec, scaleDtype, eps, team, whole };
  return kernel("quantize rows dynamic", all, quantizeRowsDynamic);
}

function quantizeRowsDynamic(
  { x, product, quantMin, quantMax, scaleDtype, eps, team, whole }: DynamicRowsSpec,
): Shader {
  const { lanes, subgroup } = team;
  const half = literal((quantMax - quantMin) / 2);
  const meet = subgroup ? "most = subgroupMax(most);" : /* wgsl */ `
largest[lane] = most;
workgroupBarrier();
for (var i = 0u; i < ${lanes}u; i++) { most = max(most, largest[lane - first_lane + i]); }`;
  return rowsShader({
    x,
    team,
    whole,
    functions: /* wgsl */ `
${DIVIDE}
${quantizeVectorFunction("quantize", product, quantMin, quantMax)}
${subgroup ? "" : `var<workgroup> largest: array<u32, ${WORKGROUP}>;`}
`,
    prologue: /* wgsl */ `
var most = 0u;
if (row < params.rows) {
  for (var first = first_lane * 4u; first < params.k; first += ${4 * lanes}u) {
    let four = bitcast<vec4<u32>>(load_four(row * params.k, first)) & vec4<u32>(0x7fffffffu);
    most = max(max(most, max(four.x, four.y)), max(four.z, four.w));
  }
}
${meet}
let ratio = ${rounded(x, `divide(bitcast<f32>(most), ${half})`)};
let scale = bitcast<f32>(max(bitcast<u32>(ratio), bitcast<u32>(${literal(eps)})));
let inverse = ${rounded(scaleDtype, "divide(1.0, scale)")};
if (first_lane == 0u && row < params.rows) { scales[row] = scale; }`,
    bytes: "quantize(four, inverse, 0.0)",
    outputs: [["scales", "f32", "read_write"]],
  });
}
