/**
 * `1 / x`, correctly rounded. WGSL's division may be off by 2.5 ULP, so the quotient's bits come
 * from a long division of mantissas; there is one a block, not one an element.
 */
import { type DType, float32 } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import { rounded } from "../wgsl.ts";
import { elementwise } from "./elementwise.ts";

/** Reads positive or negative numbers of `dtype`, gives the float32 holding the rounded result. */
export function reciprocalKernel(dtype: DType): Kernel {
  return elementwise({
    key: `reciprocal ${dtype.name}`,
    inputs: [["x", dtype]],
    output: float32,
    functions: () => /* wgsl */ `
fn reciprocal(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let sign = bits & 0x80000000u;
  var exponent = i32((bits >> 23u) & 255u);
  var mantissa = bits & 0x7fffffu;
  if (exponent == 255) { return bitcast<f32>(select(bits, sign, mantissa == 0u)); }
  if (exponent == 0) {
    if (mantissa == 0u) { return bitcast<f32>(sign | 0x7f800000u); }
    let shift = countLeadingZeros(mantissa) - 8u;
    mantissa <<= shift;
    exponent = 1 - i32(shift);
  } else {
    mantissa |= 0x800000u;
  }
  // x = mantissa · 2^(exponent − 150), so 1/x = (2^49 / mantissa) · 2^(101 − exponent).
  // 2^49 / mantissa has 26 or 27 bits; the remainder tells whether anything follows them.
  var quotient = 0u;
  var remainder = 1u;
  for (var i = 0; i < 49; i++) {
    remainder <<= 1u;
    quotient <<= 1u;
    if (remainder >= mantissa) { remainder -= mantissa; quotient |= 1u; }
  }
  var power = 101 - exponent;
  let sticky = select(0u, 1u, remainder != 0u);
  // Bring it to 26 bits, the 24 of a float32 and two to round by, with all below in the last.
  var q = quotient;
  if (q >= 0x4000000u) { q = (q >> 1u) | (q & 1u); power += 1; }
  q |= sticky;
  // value = q · 2^power with q in [2^25, 2^26): the biased exponent is power + 25 + 127.
  var biased = power + 152;
  if (biased >= 255) { return bitcast<f32>(sign | 0x7f800000u); }
  var shift = 2u;
  if (biased <= 0) { shift = u32(min(2 + 1 - biased, 27)); biased = 0; }
  let kept = q >> shift;
  let rest = q & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let up = select(0u, 1u, rest > half || (rest == half && (kept & 1u) == 1u));
  let fraction = kept + up;
  let leading = select(u32(biased) - 1u, 0u, biased == 0);
  return bitcast<f32>(sign | ((leading << 23u) + fraction));
}
`,
    value: () => rounded(dtype, "reciprocal(load_x(i))"),
  });
}
