/**
 * The frame of every kernel that makes each output element from the inputs at the same place. An
 * invocation writes one 32-bit word: one, two or four elements.
 *
 * @module
 */
import type { DType } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { bindings, CONVERSIONS, encoded, entry, loader, perWord } from "./wgsl.ts";

const WORKGROUP = 64;

/** Workgroups for `numel` elements of `output`; the first parameter word is `numel`. */
export function elementwiseWorkgroups(numel: number, output: DType): number {
  return Math.ceil(numel / perWord(output) / WORKGROUP);
}

/** What differs from kernel to kernel. */
export interface Elementwise {
  readonly key: string;
  /** Read through `load_NAME(i)`. */
  readonly inputs: readonly (readonly [name: string, dtype: DType])[];
  readonly output: DType;
  /** Parameter words after `numel`. */
  readonly fields?: readonly string[];
  readonly functions?: () => string;
  /** An expression of `i`: f32 for a float output, i32 for an integer one. */
  readonly value: () => string;
}

/** Builds the kernel. */
export function elementwise(spec: Elementwise): Kernel {
  const { inputs, output } = spec;
  const lanes = perWord(output);
  return {
    key: spec.key,
    wgsl: () =>
      bindings(
        [...inputs.map(([name]) => [name, "u32"] as const), ["y", "u32", "read_write"]],
        ["numel", ...spec.fields ?? []],
      ) + CONVERSIONS + inputs.map(([name, dtype]) => loader(name, dtype)).join("") +
      (spec.functions?.() ?? "") +
      `fn value(i: u32) -> u32 { return ${encoded(output, spec.value())}; }` +
      entry(WORKGROUP) + /* wgsl */ `
  let word = index * ${WORKGROUP}u + lane;
  let i = word * ${lanes}u;
  if (i >= params.numel) { return; }
  var bits = value(i);
  ${
        Array.from({ length: lanes - 1 }, (_, e) =>
          `if (i + ${e + 1}u < params.numel) { bits |= value(i + ${e + 1}u) << ${
            (e + 1) * (32 / lanes)
          }u; }`).join("\n  ")
      }
  y[word] = bits;
}`,
  };
}
