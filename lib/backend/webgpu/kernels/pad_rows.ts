/** A float matrix in a dtype that holds it, its rows padded with zeros. */
import { type DType, float32 } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** Parameters after numel: k, elements a padded row. */
export function padRowsKernel(x: DType, output: DType = float32): Kernel {
  return kernel("pad rows", { x, output }, padRows);
}

function padRows({ x, output }: { x: DType; output: DType }): Shader {
  return elementwise({
    inputs: [["x", x]],
    output,
    fields: ["k", "width"],
    functions: /* wgsl */ `
fn padded(i: u32) -> f32 {
  let column = i % params.width;
  if (column >= params.k) { return 0.0; }
  return load_x(i / params.width * params.k + column);
}
`,
    value: "padded(i)",
  });
}
