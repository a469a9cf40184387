/**
 * Writing a matrix as packed rows of signed bytes with their sums, from integers or, quantizing on
 * the way, from floats. Every element is read once. A workgroup takes one row, or eight where there
 * are many.
 */
import { type DType, float32, int8 } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import {
  type ArrayBinding,
  bindings,
  CONVERSIONS,
  entry,
  literal,
  loader,
  rounded,
} from "../wgsl.ts";
import { quantizeFunction } from "./quantize.ts";
import { DIVIDE } from "./reciprocal.ts";

const WORKGROUP = 64;

/** Rows that a workgroup takes, when there are `rows` of them. */
export function rowsPerWorkgroup(rows: number): 1 | 8 {
  return rows >= 32 ? 8 : 1;
}

/**
 * Parameters: k, words a packed row, rows. `signedByte` gives an element as an i32 expression, from
 * `functions` and from what `prologue` declares once an invocation, whose row is `row`. `outputs`
 * are written besides.
 */
function rowsKernel(
  key: string,
  rowsHere: 1 | 8,
  inputs: readonly (readonly [name: string, dtype: DType])[],
  functions: string,
  prologue: (lanes: number) => string,
  signedByte: (i: string) => string,
  outputs: readonly ArrayBinding[] = [],
): Kernel {
  const lanes = WORKGROUP / rowsHere; // a row
  return {
    key: `${key} ${rowsHere}`,
    wgsl: () =>
      bindings([
        ...inputs.map(([name]) => [name, "u32"] as const),
        ["data", "u32", "read_write"],
        ["sums", "i32", "read_write"],
        ...outputs,
      ], ["k", "words", "rows"]) + `
var<workgroup> partial: array<i32, ${WORKGROUP}>;
` + CONVERSIONS + inputs.map(([name, dtype]) => loader(name, dtype)).join("") + functions +
      entry(WORKGROUP) + /* wgsl */ `
  let row = index * ${rowsHere}u + lane / ${lanes}u;
  let first_lane = lane % ${lanes}u;
  ${prologue(lanes)}
  var sum = 0;
  if (row < params.rows) {
    for (var word = first_lane; word < params.words; word += ${lanes}u) {
      let first = word * 4u;
      let at = row * params.k + first;
      var bytes = vec4<i32>();
      if (first + 3u < params.k) {
        bytes = vec4<i32>(${[0, 1, 2, 3].map((e) => signedByte(`at + ${e}u`)).join(", ")});
      } else {
        for (var e = 0u; first + e < params.k; e++) { bytes[e] = ${signedByte("at + e")}; }
      }
      sum += bytes.x + bytes.y + bytes.z + bytes.w;
      let low = vec4<u32>(bytes) & vec4<u32>(255u);
      data[row * params.words + word] = low.x | (low.y << 8u) | (low.z << 16u) | (low.w << 24u);
    }
  }
  partial[lane] = sum;
  workgroupBarrier();
  if (first_lane == 0u && row < params.rows) {
    for (var i = 1u; i < ${lanes}u; i++) { sum += partial[lane + i]; }
    sums[row] = sum;
  }
}`,
  };
}

/** An 8-bit matrix as it is, shifted by `offset` to signed bytes. */
export function packRowsKernel(q: DType, offset: number, rowsHere: 1 | 8): Kernel {
  return rowsKernel(
    `pack rows ${q.name}`,
    rowsHere,
    [["q", q]],
    "",
    () => "",
    (i) => `load_int_q(${i}) - ${offset}`,
  );
}

/** A float matrix, quantized with one scale and zero point. */
export function quantizeRowsKernel(
  x: DType,
  product: DType,
  quantMin: number,
  quantMax: number,
  offset: number,
  rowsHere: 1 | 8,
): Kernel {
  return rowsKernel(
    `quantize rows ${x.name} ${product.name} ${quantMin} ${quantMax} ${offset}`,
    rowsHere,
    [["x", x], ["inverse", float32], ["zero_point", float32]],
    quantizeFunction(product, quantMin, quantMax, int8),
    () => "let inverse = load_inverse(0u); let zero_point = load_zero_point(0u);",
    (i) => `quantize(load_x(${i}), inverse, zero_point) - ${offset}`,
  );
}

/**
 * A float matrix, each row quantized with a scale of its own, which is written as well. The row is
 * read once for its largest magnitude and once more to quantize it. Magnitudes are compared as
 * integers, among which a NaN is the largest, so that it makes the row's scale a NaN.
 */
export function quantizeRowsDynamicKernel(
  x: DType,
  scaleDtype: DType,
  product: DType,
  quantMin: number,
  quantMax: number,
  eps: number,
  rowsHere: 1 | 8,
): Kernel {
  const half = literal((quantMax - quantMin) / 2);
  return rowsKernel(
    `quantize rows dynamic ${x.name} ${scaleDtype.name} ${product.name} ${quantMin} ${quantMax} ${eps}`,
    rowsHere,
    [["x", x]],
    DIVIDE + quantizeFunction(product, quantMin, quantMax, int8) +
      `var<workgroup> largest: array<u32, ${WORKGROUP}>;`,
    (lanes) => /* wgsl */ `
  var most = 0u;
  if (row < params.rows) {
    let end = (row + 1u) * params.k;
    for (var i = row * params.k + first_lane; i < end; i += ${lanes}u) {
      most = max(most, bitcast<u32>(load_x(i)) & 0x7fffffffu);
    }
  }
  largest[lane] = most;
  workgroupBarrier();
  for (var i = 0u; i < ${lanes}u; i++) { most = max(most, largest[lane - first_lane + i]); }
  let ratio = ${rounded(x, `divide(bitcast<f32>(most), ${half})`)};
  let scale = bitcast<f32>(max(bitcast<u32>(ratio), bitcast<u32>(${literal(eps)})));
  let inverse = ${rounded(scaleDtype, "divide(1.0, scale)")};
  if (first_lane == 0u && row < params.rows) { scales[row] = scale; }
`,
    (i) => `quantize(load_x(${i}), inverse, 0.0)`,
    [["scales", "f32", "read_write"]],
  );
}
