/** `max(x, 0)`. */
import type { DType } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** Negative numbers become 0; a NaN stays one. */
export const RELU = /* wgsl */ `
fn relu(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return select(x, 0.0, (bits >> 31u) == 1u && (bits & 0x7fffffffu) <= 0x7f800000u);
}
`;

/** `max(x, 0)`, element by element. */
export function reluKernel(dtype: DType): Kernel {
  return kernel("relu", { dtype }, relu);
}

function relu({ dtype }: { dtype: DType }): Shader {
  return elementwise({
    inputs: [["x", dtype]],
    output: dtype,
    functions: RELU,
    value: "relu(load_x(i))",
  });
}
