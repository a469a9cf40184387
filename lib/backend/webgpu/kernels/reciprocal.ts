/**
 * Division, correctly rounded. WGSL's own may be off by 2.5 ULP, so the quotient's bits come from a
 * long division of mantissas; there is one a block, not one an element.
 */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { rounded } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** `fn divide(x: f32, y: f32) -> f32`, the float32 nearest to x / y, ties to even. */
export const DIVIDE = /* wgsl */ `
struct Unpacked { mantissa: u32, exponent: i32 }
// |x| = mantissa · 2^(exponent − 150) with mantissa in [2^23, 2^24), for a finite x other than 0.
fn unpacked_float(bits: u32) -> Unpacked {
  let exponent = i32((bits >> 23u) & 255u);
  let mantissa = bits & 0x7fffffu;
  if (exponent > 0) { return Unpacked(mantissa | 0x800000u, exponent); }
  let shift = countLeadingZeros(mantissa) - 8u;
  return Unpacked(mantissa << shift, 1 - i32(shift));
}
fn divide(x: f32, y: f32) -> f32 {
  let sign = (bitcast<u32>(x) ^ bitcast<u32>(y)) & 0x80000000u;
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  if (a > 0x7f800000u || b > 0x7f800000u || (a == b && (a == 0u || a == 0x7f800000u))) {
    // A variable, since a NaN in a constant expression is an error.
    var nan = 0x7fc00000u;
    return bitcast<f32>(nan);
  }
  if (a == 0u || b == 0x7f800000u) { return bitcast<f32>(sign); }
  if (b == 0u || a == 0x7f800000u) { return bitcast<f32>(sign | 0x7f800000u); }
  let dividend = unpacked_float(a);
  let divisor = unpacked_float(b);
  var power = dividend.exponent - divisor.exponent;
  var remainder = dividend.mantissa;
  if (remainder < divisor.mantissa) { remainder <<= 1u; power -= 1; }
  // 26 bits: the 24 of a float32 and two to round by, with all below in the last.
  var q = 0u;
  for (var i = 0; i < 26; i++) {
    q <<= 1u;
    if (remainder >= divisor.mantissa) { remainder -= divisor.mantissa; q |= 1u; }
    remainder <<= 1u;
  }
  q |= select(0u, 1u, remainder != 0u);
  var biased = power + 127;
  if (biased >= 255) { return bitcast<f32>(sign | 0x7f800000u); }
  var shift = 2u;
  if (biased <= 0) { shift = u32(min(2 + 1 - biased, 27)); biased = 0; }
  let kept = q >> shift;
  let rest = q & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let up = select(0u, 1u, rest > half || (rest == half && (kept & 1u) == 1u));
  let leading = select(u32(biased) - 1u, 0u, biased == 0);
  return bitcast<f32>(sign | ((leading << 23u) + kept + up));
}
`;

/** Reads positive or negative numbers of `dtype`, gives the float32 holding the rounded result. */
export function reciprocalKernel(dtype: DType): Kernel {
  return kernel("reciprocal", { dtype }, reciprocal);
}

function reciprocal({ dtype }: { dtype: DType }): Shader {
  return elementwise({
    inputs: [["x", dtype]],
    output: float32,
    functions: DIVIDE,
    value: rounded(dtype, "divide(1.0, load_x(i))"),
  });
}
