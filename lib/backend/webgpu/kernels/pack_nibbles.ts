/** Writing a matrix of 4-bit numbers two a byte, and summing the groups of packed rows. */
import { type DType, int32 } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** The low and the high nibbles of a word of eight, each as four bytes. */
export const LOW_NIBBLES = "0x0f0f0f0fu";

/**
 * A word holds elements 0 to 3 in the low nibbles of its bytes and 4 to 7 in the high ones, counted
 * from the dtype's least value. Parameters after the number of words: k, words a packed row.
 */
export function packNibblesKernel(q: DType): Kernel {
  return kernel("pack nibbles", { q }, packNibbles);
}

function packNibbles({ q }: { q: DType }): Shader {
  return elementwise({
    inputs: [["q", q]],
    output: int32,
    fields: ["k", "words"],
    functions: /* wgsl */ `
fn nibbles(i: u32) -> i32 {
  let first = i % params.words * 8u;
  let row = i / params.words * params.k;
  var word = 0u;
  for (var e = 0u; e < 8u && first + e < params.k; e++) {
    let nibble = u32(load_int_q(row + first + e) - (${q.min}));
    word |= (nibble & 15u) << (8u * (e & 3u) + 4u * (e >> 2u));
  }
  return bitcast<i32>(word);
}
`,
    value: "nibbles(i)",
  });
}

/** The sum of each group. Parameters after the number of groups: words a group, groups a row, words a row. */
export function groupSumsKernel(bits: 4 | 8): Kernel {
  return kernel("group sums", { bits }, groupSums);
}

function groupSums({ bits }: { bits: 4 | 8 }): Shader {
  const ones = "0x01010101u";
  const sum = bits === 8
    ? `sum += dot4I8Packed(word, ${ones});`
    : `sum += dot4I8Packed(word & ${LOW_NIBBLES}, ${ones}) +
      dot4I8Packed((word >> 4u) & ${LOW_NIBBLES}, ${ones});`;
  return elementwise({
    inputs: [["data", int32]],
    output: int32,
    fields: ["group_words", "groups", "words"],
    functions: /* wgsl */ `
fn group_sum(i: u32) -> i32 {
  let first = i / params.groups * params.words + i % params.groups * params.group_words;
  var sum = 0;
  for (var at = first; at < first + params.group_words; at++) {
    let word = data[at];
    ${sum}
  }
  return sum;
}
`,
    value: "group_sum(i)",
  });
}
