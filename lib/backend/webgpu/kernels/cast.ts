/** Another dtype for the same numbers. */
import type { DType } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { toInteger } from "./wgsl.ts";
import { elementwise } from "./elementwise.ts";

/**
 * `from` to `to`: floats round to nearest even, float to integer truncates and saturates, integers
 * wrap around in a narrower integer dtype.
 */
export function castKernel(from: DType, to: DType): Kernel {
  return elementwise({
    key: `cast ${from.name} ${to.name}`,
    inputs: [["x", from]],
    output: to,
    value: () => {
      if (to.isFloat) return "load_x(i)";
      if (!from.isFloat) {
        const bits = to.max - to.min;
        return bits < 2 ** 32 - 1
          ? `((load_int_x(i) - (${to.min})) & ${bits}) + (${to.min})`
          : "load_int_x(i)";
      }
      return toInteger("trunc(load_x(i))", to.min, to.max);
    },
  });
}
