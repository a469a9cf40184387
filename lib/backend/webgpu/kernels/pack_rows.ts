/**
 * Writing a matrix as packed rows of signed bytes with their sums, from integers or, quantizing on
 * the way, from floats. One workgroup a row; every element is read once.
 */
import { type DType, float32 } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import { bindings, CONVERSIONS, entry, loader } from "../wgsl.ts";
import { quantizeFunction } from "./quantize.ts";

const WORKGROUP = 64;

/** Parameters: k, words a packed row, rows. `signed_byte(i)` gives element `i` as an i32. */
function rowsKernel(
  key: string,
  inputs: readonly (readonly [name: string, dtype: DType])[],
  signedByte: () => string,
): Kernel {
  return {
    key,
    wgsl: () =>
      bindings([
        ...inputs.map(([name]) => [name, "u32"] as const),
        ["data", "u32", "read_write"],
        ["sums", "i32", "read_write"],
      ], ["k", "words", "rows"]) + `
var<workgroup> partial: array<i32, ${WORKGROUP}>;
` + CONVERSIONS + inputs.map(([name, dtype]) => loader(name, dtype)).join("") + signedByte() +
      entry(WORKGROUP) + /* wgsl */ `
  let row = index;
  var sum = 0;
  if (row < params.rows) {
    for (var word = lane; word < params.words; word += ${WORKGROUP}u) {
      let first = word * 4u;
      let at = row * params.k + first;
      var bytes = vec4<i32>();
      if (first + 3u < params.k) {
        bytes = vec4<i32>(signed_byte(at), signed_byte(at + 1u), signed_byte(at + 2u), signed_byte(at + 3u));
      } else {
        for (var e = 0u; first + e < params.k; e++) { bytes[e] = signed_byte(at + e); }
      }
      sum += bytes.x + bytes.y + bytes.z + bytes.w;
      let low = vec4<u32>(bytes) & vec4<u32>(255u);
      data[row * params.words + word] = low.x | (low.y << 8u) | (low.z << 16u) | (low.w << 24u);
    }
  }
  partial[lane] = sum;
  workgroupBarrier();
  for (var step = ${WORKGROUP / 2}u; step > 0u; step >>= 1u) {
    if (lane < step) { partial[lane] += partial[lane + step]; }
    workgroupBarrier();
  }
  if (lane == 0u && row < params.rows) { sums[row] = partial[0]; }
}`,
  };
}

/** An 8-bit matrix as it is, shifted by `offset` to signed bytes. */
export function packRowsKernel(q: DType, offset: number): Kernel {
  return rowsKernel(
    `pack rows ${q.name}`,
    [["q", q]],
    () => `fn signed_byte(i: u32) -> i32 { return load_int_q(i) - ${offset}; }\n`,
  );
}

/** A float matrix, quantized with one scale and zero point. */
export function quantizeRowsKernel(
  x: DType,
  product: DType,
  quantMin: number,
  quantMax: number,
  offset: number,
): Kernel {
  return rowsKernel(
    `quantize rows ${x.name} ${product.name} ${quantMin} ${quantMax} ${offset}`,
    [["x", x], ["inverse", float32], ["zero_point", float32]],
    () =>
      quantizeFunction(product, quantMin, quantMax) + `
fn signed_byte(i: u32) -> i32 {
  return quantize(load_x(i), load_inverse(0u), load_zero_point(0u)) - ${offset};
}
`,
  );
}
