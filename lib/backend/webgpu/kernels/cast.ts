/** Another dtype for the same numbers. */
import { bool, type DType } from "../../../numbers/dtype.ts";
import { toInteger } from "./elements.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/**
 * `from` to `to`: floats round to nearest even, float to integer truncates and saturates, integers
 * wrap around in a narrower integer dtype. What is not zero becomes 1 in bool.
 */
export function castKernel(from: DType, to: DType): Kernel {
  return kernel("cast", { from, to }, cast);
}

function cast({ from, to }: { from: DType; to: DType }): Shader {
  return elementwise({ inputs: [["x", from]], output: to, value: castElement(from, to) });
}

function castElement(from: DType, to: DType): string {
  if (to.isFloat) return "load_x(i)";
  if (to === bool) {
    const nonzero = from.isFloat
      ? "(bitcast<u32>(load_x(i)) & 0x7fffffffu) != 0u"
      : "load_int_x(i) != 0";
    return `select(0, 1, ${nonzero})`;
  }
  if (from.isFloat) return toInteger("trunc(load_x(i))", to.min, to.max);
  const bits = to.max - to.min;
  return bits < 2 ** 32 - 1
    ? `((load_int_x(i) - (${to.min})) & ${bits}) + (${to.min})`
    : "load_int_x(i)";
}
