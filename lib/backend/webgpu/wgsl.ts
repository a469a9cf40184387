/**
 * The WGSL that kernels share: reading an element of any dtype from 32-bit words, writing one, and
 * rounding, all in integer arithmetic where WGSL leaves float conversion to the device.
 *
 * @module
 */
import type { DType } from "../../tensor/dtype.ts";

const DECODE_F16 = /* wgsl */ `
fn decode_f16(h: u32) -> f32 {
  let sign = (h & 0x8000u) << 16u;
  let exponent = (h >> 10u) & 31u;
  let mantissa = h & 0x3ffu;
  if (exponent == 0u) {
    return bitcast<f32>(bitcast<u32>(f32(mantissa) * 0x1p-24f) | sign);
  }
  if (exponent == 31u) { return bitcast<f32>(sign | 0x7f800000u | (mantissa << 13u)); }
  return bitcast<f32>(sign | ((exponent + 112u) << 23u) | (mantissa << 13u));
}`;

const ENCODE_F16 = /* wgsl */ `
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

const ENCODE_BF16 = /* wgsl */ `
fn encode_bf16(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}`;

/** The conversions that {@linkcode loader}, {@linkcode encoded} and {@linkcode rounded} call. */
export const CONVERSIONS = DECODE_F16 + ENCODE_F16 + ENCODE_BF16;

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

/** The bits, in the low end of a u32, of an f32 (for float dtypes) or i32 (for integer ones). */
export function encoded(dtype: DType, value: string): string {
  switch (dtype.name) {
    case "float32":
      return `bitcast<u32>(${value})`;
    case "float16":
      return `encode_f16(${value})`;
    case "bfloat16":
      return `encode_bf16(${value})`;
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

/** A storage array: its name, its element type and whether the kernel writes it. */
export type ArrayBinding = readonly [name: string, element: string, access?: "read_write"];

/** Storage bindings in order and, after them, a uniform struct of u32 `fields`. */
export function bindings(arrays: readonly ArrayBinding[], fields: readonly string[]): string {
  return arrays.map(([name, element, access = "read"], i) =>
    `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${element}>;\n`
  ).join("") +
    `struct Params { ${fields.map((field) => `${field}: u32`).join(", ")} }\n` +
    `@group(0) @binding(${arrays.length}) var<uniform> params: Params;\n`;
}

/** Opens a compute entry point with `index`, the number of the workgroup over a folded grid. */
export function entry(workgroupSize: number): string {
  return /* wgsl */ `
@compute @workgroup_size(${workgroupSize})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
`;
}
