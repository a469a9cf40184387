/**
 * Elements of any dtype in WGSL: reading one from 32-bit words, writing one, and rounding, all in
 * integer arithmetic where WGSL leaves float conversion to the device.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";

const F16 = /* wgsl */ `
fn decode_f16(h: u32) -> f32 {
  let sign = (h & 0x8000u) << 16u;
  let exponent = (h >> 10u) & 31u;
  let mantissa = h & 0x3ffu;
  if (exponent == 0u) {
    return bitcast<f32>(bitcast<u32>(f32(mantissa) * 0x1p-24f) | sign);
  }
  if (exponent == 31u) { return bitcast<f32>(sign | 0x7f800000u | (mantissa << 13u)); }
  return bitcast<f32>(sign | ((exponent + 112u) << 23u) | (mantissa << 13u));
}
fn encode_f16(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude < 0x38800000u) {
    return sign | u32(round(bitcast<f32>(magnitude) * 0x1p24f));
  }
  return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
}`;

const BF16 = /* wgsl */ `
fn encode_bf16(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}`;

/**
 * Reading and writing an 8-bit float with `mantissa` bits and `bias`; `max` is its largest number, and
 * `end` what greater ones become: that, or one step more, which is infinity.
 */
function float8(
  name: string,
  mantissa: number,
  bias: number,
  max: number,
  end: number,
): string {
  const one = 1 << mantissa;
  const least = 1 - bias;
  const power = (e: string) => `bitcast<f32>(u32(127 + ${e}) << 23u)`;
  return /* wgsl */ `
fn decode_${name}(bits: u32) -> f32 {
  let field = (bits & 0x7fu) >> ${mantissa}u;
  let mantissa = bits & ${one - 1}u;
  let steps = f32(select(mantissa + ${one}u, mantissa, field == 0u));
  let value = steps * ${power(`max(i32(field), 1) - ${bias + mantissa}`)};
  let special = ${
    mantissa === 2 ? "select(0x7fc00000u, 0x7f800000u, mantissa == 0u)" : "0x7fc00000u"
  };
  let magnitude = select(bitcast<u32>(value), special, value > ${max}.0);
  return bitcast<f32>(magnitude | ((bits & 0x80u) << 24u));
}
fn encode_${name}(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 24u) & 0x80u;
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return sign | 0x7fu; }
  let magnitude = min(bitcast<f32>(bits & 0x7fffffffu), ${end}.0);
  let exponent = max(i32(bitcast<u32>(magnitude) >> 23u) - 127, ${least});
  let steps = u32(round(magnitude * ${power(`${mantissa} - exponent`)}));
  return sign | (u32(exponent - (${least})) * ${one}u + steps);
}`;
}

/** The names of the 8-bit floats' conversions. */
const FLOAT8: Partial<Record<DType["name"], string>> = {
  float8_e4m3fn: "e4m3",
  float8_e5m2: "e5m2",
};

/** What {@linkcode loader}, {@linkcode encoded} and {@linkcode rounded} call, by what names end in. */
const CONVERSIONS: readonly (readonly [ending: string, functions: string])[] = [
  ["f16", F16],
  ["bf16", BF16],
  ["e4m3", float8("e4m3", 3, 7, 448, 448)],
  ["e5m2", float8("e5m2", 2, 15, 57344, 65536)],
];

/** The conversions that a text calls. */
export function conversions(wgsl: string): string {
  return CONVERSIONS
    .filter(([ending]) => wgsl.includes(`code_${ending}(`))
    .map(([, functions]) => functions).join("");
}

/** Elements of `dtype` in a 32-bit word. */
export function perWord(dtype: DType): 1 | 2 | 4 {
  return (4 / dtype.itemSize) as 1 | 2 | 4;
}

/** A function `load_NAME(i: u32) -> f32` that reads element `i` of the `array<u32>` NAME. */
export function loader(name: string, dtype: DType): string {
  return `fn load_${name}(i: u32) -> f32 { return ${floatElement(name, dtype)}; }\n` +
    (dtype.isFloat
      ? ""
      : `fn load_int_${name}(i: u32) -> i32 { return ${intElement(name, dtype)}; }\n`);
}

function floatElement(name: string, dtype: DType): string {
  switch (dtype.name) {
    case "float32":
      return `bitcast<f32>(${name}[i])`;
    case "bfloat16":
      return `bitcast<f32>(extractBits(${name}[i >> 1u], 16u * (i & 1u), 16u) << 16u)`;
    case "float16":
      return `decode_f16(extractBits(${name}[i >> 1u], 16u * (i & 1u), 16u))`;
    case "float8_e4m3fn":
    case "float8_e5m2":
      return `decode_${FLOAT8[dtype.name]}(extractBits(${name}[i >> 2u], 8u * (i & 3u), 8u))`;
    default:
      return `f32(${intElement(name, dtype)})`;
  }
}

function intElement(name: string, dtype: DType): string {
  if (dtype.itemSize === 4) return `bitcast<i32>(${name}[i])`;
  if (dtype.itemSize === 2) {
    return `extractBits(bitcast<i32>(${name}[i >> 1u]), 16u * (i & 1u), 16u)`;
  }
  const byte = (word: string) => `extractBits(${word}, 8u * (i & 3u), 8u)`;
  return dtype.min < 0
    ? byte(`bitcast<i32>(${name}[i >> 2u])`)
    : `i32(${byte(`${name}[i >> 2u]`)})`;
}

/** An f32 (for float dtypes) or i32 (for integer ones), from its bits in the low end of a u32. */
export function decoded(dtype: DType, bits: string): string {
  switch (dtype.name) {
    case "float32":
      return `bitcast<f32>(${bits})`;
    case "bfloat16":
      return `bitcast<f32>(${bits} << 16u)`;
    case "float16":
      return `decode_f16(${bits})`;
    case "float8_e4m3fn":
    case "float8_e5m2":
      return `decode_${FLOAT8[dtype.name]}(${bits})`;
    case "int32":
      return `bitcast<i32>(${bits})`;
    default:
      return dtype.min < 0
        ? `extractBits(bitcast<i32>(${bits}), 0u, ${8 * dtype.itemSize}u)`
        : `i32(${bits})`;
  }
}

/** The bits, in the low end of a u32, of an f32 (for float dtypes) or i32 (for integer ones). */
export function encoded(dtype: DType, value: string): string {
  switch (dtype.name) {
    case "float32":
      return `bitcast<u32>(${value})`;
    case "float16":
      return `encode_f16(${value})`;
    case "bfloat16":
      return `encode_bf16(${value})`;
    case "float8_e4m3fn":
    case "float8_e5m2":
      return `encode_${FLOAT8[dtype.name]}(${value})`;
    case "int32":
      return `bitcast<u32>(${value})`;
    default:
      return `(bitcast<u32>(${value}) & ${dtype.itemSize === 2 ? "0xffffu" : "0xffu"})`;
  }
}

/** An f32 rounded to a value of a float dtype. */
export function rounded(dtype: DType, value: string): string {
  switch (dtype.name) {
    case "float16":
      return `decode_f16(encode_f16(${value}))`;
    case "bfloat16":
      return `bitcast<f32>(encode_bf16(${value}) << 16u)`;
    case "float8_e4m3fn":
    case "float8_e5m2":
      return `decode_${FLOAT8[dtype.name]}(encode_${FLOAT8[dtype.name]}(${value}))`;
    default:
      return `(${value})`;
  }
}

/** A float literal that WGSL reads back as the same number. */
export function literal(x: number): string {
  return `f32(${Number.isInteger(x) ? `${x}.0` : x})`;
}

/** An f32 expression clamped to integers `min` to `max`, as an i32; int32's ends are no float32. */
export function toInteger(value: string, min: number, max: number): string {
  const clamped = `i32(clamp(${value}, ${literal(min)}, ${literal(Math.min(max, 2 ** 31 - 128))}))`;
  return max < 2 ** 31 - 1 ? clamped : `select(${clamped}, ${max}, ${value} >= 0x1p31f)`;
}
