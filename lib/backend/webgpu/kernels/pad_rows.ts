/** A float matrix as float32, its rows padded with zeros. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { elementwise } from "./elementwise.ts";

/** Parameters after numel: k, elements a padded row. */
export function padRowsKernel(x: DType): Kernel {
  return elementwise({
    key: `pad rows ${x.name}`,
    inputs: [["x", x]],
    output: float32,
    fields: ["k", "width"],
    functions: () =>
      `fn padded(i: u32) -> f32 {
  let column = i % params.width;
  if (column >= params.k) { return 0.0; }
  return load_x(i / params.width * params.k + column);
}
`,
    value: () => "padded(i)",
  });
}
