/** Another dtype for the same numbers. */
import type { DType } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import { literal } from "../wgsl.ts";
import { elementwise } from "./elementwise.ts";

/** `from` to `to`: floats round to nearest even, float to integer truncates and saturates. */
export function castKernel(from: DType, to: DType): Kernel {
  return elementwise({
    key: `cast ${from.name} ${to.name}`,
    inputs: [["x", from]],
    output: to,
    value: () => {
      if (to.isFloat) return "load_x(i)";
      if (!from.isFloat) return "load_int_x(i)";
      return `i32(clamp(trunc(load_x(i)), ${literal(to.min)}, ${literal(to.max)}))`;
    },
  });
}
