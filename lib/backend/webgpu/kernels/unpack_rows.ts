/** Packed rows back to the plain matrix, a byte an element. */
import { type DType, int32 } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { elementwise } from "./elementwise.ts";

/** Parameters after numel: k, words a packed row. */
export function unpackRowsKernel(output: DType, bits: 4 | 8, offset: number): Kernel {
  const element = bits === 8
    ? `let word = bitcast<i32>(data[row + column / 4u]);
  return extractBits(word, 8u * (column & 3u), 8u)`
    : `let word = data[row + column / 8u];
  return i32(extractBits(word, 8u * (column & 3u) + (column & 4u), 4u))`;
  return elementwise({
    key: `unpack rows ${output.name} ${bits} ${offset}`,
    inputs: [["data", int32]],
    output,
    fields: ["k", "words"],
    functions: () =>
      `fn unpacked(i: u32) -> i32 {
  let column = i % params.k;
  let row = i / params.k * params.words;
  ${element} + (${offset});
}
`,
    value: () => "unpacked(i)",
  });
}
