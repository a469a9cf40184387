/** Packed rows back to the plain matrix, a byte an element. */
import { type DType, int32 } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that unpack. */
interface UnpackRows {
  readonly output: DType;
  readonly bits: 4 | 8;
  /** What was subtracted from the elements. */
  readonly offset: number;
}

/** Parameters after numel: k, words a packed row. */
export function unpackRowsKernel(output: DType, bits: 4 | 8, offset: number): Kernel {
  return kernel("unpack rows", { output, bits, offset }, unpackRows);
}

function unpackRows({ output, bits, offset }: UnpackRows): Shader {
  const element = bits === 8
    ? `let word = bitcast<i32>(data[row + column / 4u]);
  return extractBits(word, 8u * (column & 3u), 8u)`
    : `let word = data[row + column / 8u];
  return i32(extractBits(word, 8u * (column & 3u) + (column & 4u), 4u))`;
  return elementwise({
    inputs: [["data", int32]],
    output,
    fields: ["k", "words"],
    functions: /* wgsl */ `
fn unpacked(i: u32) -> i32 {
  let column = i % params.k;
  let row = i / params.k * params.words;
  ${element} + (${offset});
}
`,
    value: "unpacked(i)",
  });
}
