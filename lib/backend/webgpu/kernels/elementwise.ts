/**
 * The frame of every kernel that makes each output element from the inputs at the same place. An
 * invocation writes one 32-bit word: one, two or four elements.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import { encoded, loader, perWord } from "./elements.ts";
import { each, type Shader } from "./shader.ts";

const WORKGROUP = 64;

/** Workgroups for `numel` elements of `output`; the first parameter word is `numel`. */
export function elementwiseWorkgroups(numel: number, output: DType): number {
  return Math.ceil(numel / perWord(output) / WORKGROUP);
}

/** What differs from kernel to kernel. */
export interface Elementwise {
  /** Read through `load_NAME(i)`. */
  readonly inputs: readonly (readonly [name: string, dtype: DType])[];
  readonly output: DType;
  /** Parameter words after `numel`. */
  readonly fields?: readonly string[];
  readonly functions?: string;
  /** An expression of `i`: f32 for a float output, i32 for an integer one. */
  readonly value: string;
}

/** Builds the shader. */
export function elementwise(
  { inputs, output, fields = [], functions = "", value }: Elementwise,
): Shader {
  const lanes = perWord(output);
  const bits = 32 / lanes;
  return {
    arrays: [...inputs.map(([name]) => [name, "u32"] as const), ["y", "u32", "read_write"]],
    fields: ["numel", ...fields],
    declarations: /* wgsl */ `
${inputs.map(([name, dtype]) => loader(name, dtype)).join("")}
${functions}
fn value(i: u32) -> u32 { return ${encoded(output, value)}; }
`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let word = index * ${WORKGROUP}u + lane;
let i = word * ${lanes}u;
if (i >= params.numel) { return; }
var bits = value(i);
${
      each(
        lanes - 1,
        (e) =>
          `if (i + ${e + 1}u < params.numel) { bits |= value(i + ${e + 1}u) << ${
            (e + 1) * bits
          }u; }`,
      )
    }
y[word] = bits;
`,
  };
}
