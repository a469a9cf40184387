/** Quantizing about a zero point that is a float: that of the middle of the quantized range. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { blockFields, blockOfFunction } from "./block_index.ts";
import { rounded, toInteger } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { DIVIDE } from "./reciprocal.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that quantize about a float. */
interface QuantizeAboutFloat {
  readonly x: DType;
  readonly output: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** The dtype that `zeroPoint − shift` is rounded in. */
  readonly least: DType;
  /** The dtype that what follows is rounded in. */
  readonly product: DType;
  readonly quantMin: number;
  readonly quantMax: number;
}

/** `clamp(round((x − (zeroPoint − shift)) / scale), quantMin, quantMax)`; a NaN becomes 0. */
export function quantizeAboutFloatKernel(spec: QuantizeAboutFloat): Kernel {
  return kernel("quantize about float", { ...spec }, quantizeAboutFloat);
}

function quantizeAboutFloat(
  { x, output, rank, least, product, quantMin, quantMax }: QuantizeAboutFloat,
): Shader {
  return elementwise({
    inputs: [["x", x], ["scale", float32], ["zero_point", float32], ["shift", float32]],
    output,
    fields: blockFields(rank),
    functions: /* wgsl */ `
${blockOfFunction(rank)}
${DIVIDE}
fn quantized(i: u32) -> i32 {
  let block = block_of(i);
  let least = ${rounded(least, "load_zero_point(block) - load_shift(block)")};
  let above = ${rounded(product, "load_x(i) - least")};
  let quotient = ${rounded(product, "divide(above, load_scale(block))")};
  let is_nan = (bitcast<u32>(quotient) & 0x7fffffffu) > 0x7f800000u;
  let steps = round(select(quotient, 0.0, is_nan));
  return ${toInteger("steps", quantMin, quantMax)};
}
`,
    value: "quantized(i)",
  });
}

/** What distinguishes kernels that add a number a block. */
interface AddBlocks {
  readonly x: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** The dtype that the sum is rounded in, before that of `x`. */
  readonly sum: DType;
}

/** `x + term`, with a term a block. */
export function addBlocksKernel(x: DType, rank: number, sum: DType): Kernel {
  return kernel("add blocks", { x, rank, sum }, addBlocks);
}

function addBlocks({ x, rank, sum }: AddBlocks): Shader {
  return elementwise({
    inputs: [["x", x], ["term", float32]],
    output: x,
    fields: blockFields(rank),
    functions: blockOfFunction(rank),
    value: rounded(sum, "load_x(i) + load_term(block_of(i))"),
  });
}
