/** Float to integer with parameters a block. */
import { type DType, float32, int8 } from "../../../numbers/dtype.ts";
import { blockFields, blockOfFunction } from "./block_index.ts";
import { literal, rounded, toInteger } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/**
 * `fn quantize(x, inverse, zero_point)`, the formula that every quantizing kernel uses: an i32, or for
 * an 8-bit float target the f32 that it rounds to, without a zero point. A
 * device may read subnormals as zero, yet a subnormal times a large reciprocal counts, and so does a large
 * number times the reciprocal of a scale near float32's end: those are brought into range by their mantissa
 * first. Scales are above zero. A NaN becomes the zero point.
 */
export function quantizeFunction(
  product: DType,
  quantMin: number,
  quantMax: number,
  target: DType = int8,
): string {
  const result = target.isFloat
    ? rounded(target, `clamp(p, ${literal(quantMin)}, ${literal(quantMax)})`)
    : toInteger("steps", quantMin, quantMax);
  return /* wgsl */ `
fn quantize(x: f32, inverse: f32, zero_point: f32) -> ${target.isFloat ? "f32" : "i32"} {
  let bits = bitcast<u32>(x);
  let magnitude = f32(bits & 0x7fffffu) * (inverse * 0x1p-80f) * 0x1p-69f;
  let of_subnormal = select(magnitude, -magnitude, (bits >> 31u) == 1u);
  let by_subnormal = (x * 0x1p-75f) * (f32(bitcast<u32>(inverse) & 0x7fffffu) * 0x1p-74f);
  var p = x * inverse;
  p = select(p, of_subnormal, ((bits & 0x7f800000u) == 0u) & (inverse > 0x1p22f));
  p = select(p, by_subnormal, inverse < 0x1p-126f);
  p = ${rounded(product, "p")};
  let is_nan = (bitcast<u32>(p) & 0x7fffffffu) > 0x7f800000u;
  let steps = round(select(p, 0.0, is_nan)) + zero_point;
  return ${result};
}
`;
}

/**
 * `fn NAME(x, inverse, zero_point)`, the same for four floats at a time. Only a very large or small reciprocal
 * makes subnormals count, which is seen once, not once an element. What is asked depends on `x` too: a condition on
 * uniforms alone lets Mesa's software driver compile the kernel anew, with their values, each time that it runs.
 */
export function quantizeVectorFunction(
  name: string,
  product: DType,
  quantMin: number,
  quantMax: number,
): string {
  const parts = ["x", "y", "z", "w"];
  const roundedProduct = product === float32
    ? "p"
    : `vec4<f32>(${parts.map((part) => rounded(product, `p.${part}`)).join(", ")})`;
  const one = `${name}_one`;
  return quantizeFunction(product, quantMin, quantMax).replace("fn quantize(", `fn ${one}(`) +
    /* wgsl */ `
fn ${name}(x: vec4<f32>, inverse: f32, zero_point: f32) -> vec4<i32> {
  let subnormal = any(abs(x) < vec4<f32>(0x1p-126f));
  if ((subnormal & (inverse > 0x1p22f)) | (inverse < 0x1p-126f)) {
    return vec4<i32>(${parts.map((part) => `${one}(x.${part}, inverse, zero_point)`).join(", ")});
  }
  let p = x * inverse;
  let q = ${roundedProduct};
  let is_nan = (bitcast<vec4<u32>>(q) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
  let steps = round(select(q, vec4<f32>(), is_nan)) + zero_point;
  return vec4<i32>(clamp(steps, vec4<f32>(${literal(quantMin)}), vec4<f32>(${literal(quantMax)})));
}
`;
}

/** What distinguishes kernels that quantize. */
interface Quantize {
  readonly x: DType;
  readonly output: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** The dtype that the product is rounded in. */
  readonly product: DType;
  readonly quantMin: number;
  readonly quantMax: number;
}

/** `clamp(round(x · inverse) + zeroPoint, quantMin, quantMax)`. */
export function quantizeKernel(
  x: DType,
  output: DType,
  rank: number,
  product: DType,
  quantMin: number,
  quantMax: number,
): Kernel {
  return kernel("quantize", { x, output, rank, product, quantMin, quantMax }, quantize);
}

function quantize({ x, output, rank, product, quantMin, quantMax }: Quantize): Shader {
  return elementwise({
    inputs: [["x", x], ["inverse", float32], ["zero_point", float32]],
    output,
    fields: blockFields(rank),
    functions: /* wgsl */ `
${blockOfFunction(rank)}
${quantizeFunction(product, quantMin, quantMax, output)}
fn quantized(i: u32) -> ${output.isFloat ? "f32" : "i32"} {
  let block = block_of(i);
  return quantize(load_x(i), load_inverse(block), load_zero_point(block));
}
`,
    value: "quantized(i)",
  });
}
