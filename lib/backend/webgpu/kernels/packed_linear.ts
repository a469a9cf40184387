/** The product of bytes: exact sums, zero points taken out, scales and bias, and what follows. */
import type { DType } from "../../../numbers/dtype.ts";
import type { Clip } from "../../convolution.ts";
import { clipFunction } from "./clip.ts";
import { literal, loader, rounded } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import {
  type Epilogue,
  type KStep,
  loadVector,
  packedStep,
  sumOfBytes,
  wordsOf,
} from "./product.ts";
import { quantizeFunction, quantizeVectorFunction } from "./quantize.ts";
import type { ArrayBinding, Shader } from "./shader.ts";
import { tableBinding, tableLoader } from "./table.ts";
import type { Tile } from "./tile.ts";

/** Where a scale or a zero point of `w` stands: one for all, one a row, or one a group of each row. */
export type ParamKind = "one" | "row" | "group";

/** The place of a parameter of row `n`. */
export function paramIndex(kind: ParamKind, n: string): string {
  return kind === "one" ? "0u" : kind === "row" ? n : `${n} * params.groups + g`;
}

/** How floats become bytes: the range, and the dtype that the product with 1 / scale is rounded in. */
export interface Quantization {
  readonly productDtype: DType;
  readonly quantMin: number;
  readonly quantMax: number;
  /** What is subtracted from the integers. */
  readonly offset: number;
}

/** The integers that a multiplied sum becomes, and what is subtracted from them. */
export interface Rescaling {
  readonly quantMin: number;
  readonly quantMax: number;
  readonly offset: number;
}

/** What bytes become by a table: of which dtype it is, and what is subtracted from what it has. */
export interface ByteLookup {
  readonly dtype: DType;
  readonly offset: number;
}

/** What distinguishes integer products from one another. */
export interface PackedLinearSpec {
  /** What was subtracted from the elements of `x` and of `w`. */
  readonly xOffset: number;
  readonly wOffset: number;
  /** Whether `x` has a scale (and zero point) for every row, or one for all. */
  readonly xPerRow: boolean;
  /** How many scales (and zero points) `w` has. */
  readonly wParams: ParamKind;
  /** Whether there are zero points; where there are none they are 0. */
  readonly xZeroPoint: boolean;
  readonly wZeroPoint: boolean;
  readonly bias: DType | undefined;
  /** The dtype of the result, or that of the floats which are quantized for the next product. */
  readonly output: DType;
  /** Whether the sums of the rows of `x` are there; if not, they are added up on the way. */
  readonly xSums: boolean;
  /**
   * Whether an output is made of a part of a row of `w`, as in a phase of a transposed convolution: that part is
   * added up on the way, and `terms` is declared, how many products there are.
   */
  readonly partial?: boolean;
  /** The ends that outputs are brought to. */
  readonly clip?: Clip;
  /** Quantizes the result: it is stored as packed rows. Bindings: 1 / scale and zero point. */
  readonly requantize?: Quantization;
  /**
   * Brings sums to another scale by a multiplier, as files have it: `w_scale` is that, and there is no scale
   * of `x`; the bias is int32. It is stored as packed rows. Binding: the zero point of the result.
   */
  readonly rescale?: Rescaling;
  /** Bytes are looked up in a table before they are stored. Binding: the table. */
  readonly table?: ByteLookup;
  /** Quantizes `x`, floats of this dtype, on the way. Bindings: 1 / scale and zero point. */
  readonly quantize?: Quantization & { readonly dtype: DType };
}

/** An integer expression for a zero point as stored, or null where that is 0. */
export function zeroPoint(
  from: string,
  given: boolean,
  offset: number,
  at: string,
): string | null {
  if (given) return `i32(${from}[${at}]) - (${offset})`;
  return offset === 0 ? null : `i32(${-offset})`;
}

/** The bindings that an integer product reads besides `x` and `w`, in order. */
export function packedArrays(
  spec: PackedLinearSpec,
  xSums: boolean,
  wSums: boolean,
): ArrayBinding[] {
  const { xZeroPoint, wZeroPoint, bias, output, quantize, requantize, rescale, table } = spec;
  const several = (used: boolean, name: string, type: string): ArrayBinding[] =>
    used ? [[name, type]] : [];
  const number = (used: boolean, name: string): ArrayBinding[] =>
    used ? [[name, "f32", "one"]] : [];
  const ofX = spec.xPerRow ? several : number;
  const ofW = spec.wParams === "one" ? number : several;
  return [
    ...several(xSums, "x_sums", "i32"),
    ...several(wSums, "w_sums", "i32"),
    ...ofX(xZeroPoint, "x_zero_point", "f32"),
    ...ofW(wZeroPoint, "w_zero_point", "f32"),
    ...ofX(output.isFloat && !rescale, "x_scale", "f32"),
    ...ofW(output.isFloat, "w_scale", "f32"),
    ...several(bias !== undefined, "bias", "u32"),
    ...number(quantize !== undefined, "x_inverse"),
    ...number(quantize !== undefined, "x_shift"),
    ...number(requantize !== undefined, "y_inverse"),
    ...number(requantize !== undefined || rescale !== undefined, "y_zero_point"),
    ...table ? [tableBinding("table", table.dtype)] : [],
  ];
}

/** Which of the sums of its operands a product of bytes binds. */
export function boundSums(spec: PackedLinearSpec): { xSums: boolean; wSums: boolean } {
  const wCorrected = spec.wZeroPoint || spec.wOffset !== 0;
  return {
    xSums: wCorrected && spec.xSums && !spec.quantize,
    wSums: !spec.partial && (spec.xZeroPoint || spec.xOffset !== 0),
  };
}

/** Loads sixteen floats of a row of `x` and quantizes them to a vector of bytes. */
function quantizingStep(
  { dtype, productDtype, quantMin, quantMax, offset }: NonNullable<PackedLinearSpec["quantize"]>,
): { load: KStep["load"]; functions: string } {
  return {
    load: (name, from, at) =>
      from === "x" ? `let ${name} = load_bytes(${at});` : loadVector(name, from, at),
    functions: loader("x", dtype) +
      quantizeVectorFunction("quantize_x", productDtype, quantMin, quantMax) + /* wgsl */ `
fn load_bytes(at: u32) -> vec4<u32> {
  let row = at / params.steps * params.k;
  let first = at % params.steps * 16u;
  var bytes = vec4<u32>();
  for (var word = 0u; word < 4u; word++) {
    let k = first + word * 4u;
    var floats = vec4<f32>();
    for (var e = 0u; e < 4u; e++) { floats[e] = load_x(row + min(k + e, params.k - 1u)); }
    let q = quantize_x(floats, x_inverse[0], x_shift[0]) - ${offset};
    let inside = vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.k);
    let low = select(vec4<u32>(), vec4<u32>(q) & vec4<u32>(255u), inside);
    bytes[word] = low.x | (low.y << 8u) | (low.z << 16u) | (low.w << 24u);
  }
  return bytes;
}
`,
  };
}

/** The product's kernel for bytes: exact sums, zero points taken out, scales and bias. */
export function packedLinearKernel(spec: PackedLinearSpec, tile: Tile): Kernel {
  return kernel("packed linear", { ...spec, tile }, packedLinear);
}

function packedLinear(spec: PackedLinearSpec & { readonly tile: Tile }): Shader {
  const { output, requantize, quantize, tile } = spec;
  const quantizing = quantize && quantizingStep(quantize);
  const step: KStep = {
    ...packedStep(tile),
    ...quantizing ? { element: "u32", weight: "vec4<u32>", load: quantizing.load } : {},
    ...sumsRows(spec) ? { rowSum: (a) => sumOfBytes(wordsOf(a)) } : {},
  };
  const epilogue = packedEpilogue(spec);
  const functions = quantizing?.functions;
  return matmul({
    step,
    tile,
    epilogue,
    output: requantize ? "packed bytes" : output,
    functions,
  });
}

/** The zero points of a product as stored, and whether there are any to take out. */
function corrections({ xOffset, wOffset, xZeroPoint, wZeroPoint }: PackedLinearSpec) {
  const zx = (at: string) => zeroPoint("x_zero_point", xZeroPoint, xOffset, at);
  const zw = (at: string) => zeroPoint("w_zero_point", wZeroPoint, wOffset, at);
  return { zx, zw, xCorrected: zx("") !== null, wCorrected: zw("") !== null };
}

/** Whether a product adds up the rows of `x` on the way. */
export function sumsRows(spec: PackedLinearSpec): boolean {
  return corrections(spec).wCorrected && !boundSums(spec).xSums;
}

/** Whether a product adds up the rows of `w` on the way. */
export function sumsColumns(spec: PackedLinearSpec): boolean {
  return corrections(spec).xCorrected && !boundSums(spec).wSums;
}

/** The zero point of `x` as stored, if it is one for all: `zx` in the epilogue, or 0. */
export function sharedZeroPoint(spec: PackedLinearSpec): string {
  return corrections(spec).xCorrected ? "zx" : "0";
}

/** `fn rescale(sum, multiplier, zero_point) -> i32`, as onnxruntime's kernels bring sums to bytes. */
export function rescaleFunction({ quantMin, quantMax }: Rescaling): string {
  return /* wgsl */ `
fn rescale(sum: i32, multiplier: f32, zero_point: f32) -> i32 {
  let steps = round(f32(sum) * multiplier) + zero_point;
  return i32(clamp(steps, ${literal(quantMin)}, ${literal(quantMax)}));
}
`;
}

/** The byte to be stored, of the integer that numbers were brought to. */
export function storedByte(
  integer: string,
  { requantize, rescale, table }: Pick<PackedLinearSpec, "requantize" | "rescale" | "table">,
): string {
  if (!table) return `(${integer} - (${(requantize ?? rescale)!.offset}))`;
  return `(load_int_table(u32(${integer}) & 255u) - (${table.offset}))`;
}

/** The functions by which numbers are brought to bytes. */
export function byteFunctions({ requantize, rescale, table }: PackedLinearSpec): string {
  return (rescale ? rescaleFunction(rescale) : "") +
    (requantize
      ? quantizeFunction(requantize.productDtype, requantize.quantMin, requantize.quantMax)
      : "") +
    (table ? tableLoader("table", table.dtype) : "");
}

/** Takes zero points out of exact sums, scales them, and does what follows. */
export function packedEpilogue(spec: PackedLinearSpec): Epilogue {
  const { xPerRow, wParams, bias, output, clip, requantize, rescale } = spec;
  const exact = !output.isFloat;
  const scaled = !exact && !rescale;
  const { zx, zw, xCorrected, wCorrected } = corrections(spec);
  const { xSums: bound, wSums } = boundSums(spec);
  const terms = spec.partial ? "terms" : "params.k";
  const loadBias = rescale ? "load_int_bias" : "load_bias";
  return {
    arrays: packedArrays(spec, bound, wSums),
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : "") +
      byteFunctions(spec),
    shared: (xPerRow ? "" : (xCorrected ? `let zx = ${zx("0u")};` : "") +
      (scaled ? "let scale = x_scale[0];" : "")) +
      (requantize ? "let inverse = y_inverse[0];" : "") +
      (requantize || rescale ? "let zero_point = y_zero_point[0];" : ""),
    row: (i, m) => {
      const corrected = xCorrected ? ` - i32(${terms}) * zx_${i}` : "";
      const sum = bound ? `x_sums[${m}]` : `row_sum_${i}`;
      return (xCorrected ? `let zx_${i} = ${xPerRow ? zx(m) : "zx"};` : "") +
        (wCorrected ? `let row_${i} = ${sum}${corrected};` : "") +
        (scaled ? `let x_scale_${i} = ${xPerRow ? `x_scale[${m}]` : "scale"};` : "");
    },
    column: (j, n) => {
      const param = paramIndex(wParams, n);
      return (wCorrected ? `let zw_${j} = ${zw(param)};` : "") +
        (xCorrected ? `let column_${j} = ${wSums ? `w_sums[${n}]` : `w_sum_${j}`};` : "") +
        (exact ? "" : `let w_scale_${j} = w_scale[${param}];`) +
        (bias ? `let bias_${j} = ${loadBias}(${n});` : "");
    },
    value: (sum, i, j) => {
      const acc = `(${sum}${xCorrected ? ` - zx_${i} * column_${j}` : ""}${
        wCorrected ? ` - zw_${j} * row_${i}` : ""
      })`;
      if (exact) return acc;
      const added = bias ? ` + bias_${j}` : "";
      if (rescale) {
        return storedByte(`rescale(${acc}${added}, w_scale_${j}, zero_point)`, spec);
      }
      const y = `f32${acc} * (x_scale_${i} * w_scale_${j})${added}`;
      if (!requantize) return clip ? `clip(${y})` : y;
      const kept = rounded(output, y);
      return storedByte(`quantize(${clip ? `clip(${kept})` : kept}, inverse, zero_point)`, spec);
    },
  };
}
