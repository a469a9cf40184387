/** Integer to float with parameters a block. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { rounded } from "./wgsl.ts";
import { blockFields, blockOfFunction } from "./block_index.ts";
import { elementwise } from "./elementwise.ts";

/** `(q − zeroPoint) · scale`. */
export function dequantizeKernel(q: DType, output: DType, rank: number, product: DType): Kernel {
  return elementwise({
    key: `dequantize ${q.name} ${output.name} ${rank} ${product.name}`,
    inputs: [["q", q], ["scale", float32], ["zero_point", float32]],
    output,
    fields: blockFields(rank),
    functions: () =>
      blockOfFunction(rank) +
      `fn dequantized(i: u32) -> f32 {
  let block = block_of(i);
  let steps = ${rounded(output, "load_q(i) - load_zero_point(block)")};
  return ${rounded(product, "steps * load_scale(block)")};
}
`,
    value: () => "dequantized(i)",
  });
}
