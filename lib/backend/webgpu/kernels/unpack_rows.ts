/** Packed rows back to the plain 8-bit matrix. */
import { type DType, int32 } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import { elementwise } from "./elementwise.ts";

/** Parameters after numel: k, words a packed row. */
export function unpackRowsKernel(output: DType, offset: number): Kernel {
  return elementwise({
    key: `unpack rows ${output.name} ${offset}`,
    inputs: [["data", int32]],
    output,
    fields: ["k", "words"],
    functions: () =>
      `fn unpacked(i: u32) -> i32 {
  let column = i % params.k;
  let word = bitcast<i32>(data[i / params.k * params.words + column / 4u]);
  return extractBits(word, 8u * (column & 3u), 8u) + ${offset};
}
`,
    value: () => "unpacked(i)",
  });
}
