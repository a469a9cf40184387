/** Integer to float with parameters a block. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { blockFields, blockOfFunction } from "./block_index.ts";
import { rounded } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that dequantize. */
interface Dequantize {
  readonly q: DType;
  readonly output: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** The dtype that the product is rounded in. */
  readonly product: DType;
}

/** `(q − zeroPoint) · scale`. */
export function dequantizeKernel(q: DType, output: DType, rank: number, product: DType): Kernel {
  return kernel("dequantize", { q, output, rank, product }, dequantize);
}

function dequantize({ q, output, rank, product }: Dequantize): Shader {
  return elementwise({
    inputs: [["q", q], ["scale", float32], ["zero_point", float32]],
    output,
    fields: blockFields(rank),
    functions: /* wgsl */ `
${blockOfFunction(rank)}
// A device may read a subnormal scale as zero: its mantissa, a whole number, is multiplied in its place.
fn scaled(steps: f32, scale: f32) -> f32 {
  if (scale >= 0x1p-126f) { return steps * scale; }
  let magnitude = abs(steps) * f32(bitcast<u32>(scale) & 0x7fffffu);
  let normal = magnitude * 0x1p-100f * 0x1p-49f;
  let bits = select(bitcast<u32>(normal), u32(round(magnitude)), magnitude < 0x1p23f);
  return bitcast<f32>(bits | (bitcast<u32>(steps) & 0x80000000u));
}
fn dequantized(i: u32) -> f32 {
  let block = block_of(i);
  let steps = ${rounded(output, "load_q(i) - load_zero_point(block)")};
  return ${rounded(product, "scaled(steps, load_scale(block))")};
}
`,
    value: "dequantized(i)",
  });
}
