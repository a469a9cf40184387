/** Matrices with rows and columns exchanged, their new rows padded with zeros. */
import type { DType } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that transpose. */
interface Transpose {
  readonly x: DType;
  readonly output: DType;
}

/**
 * A batch of matrices, transposed. Parameters after numel: `rows` and `columns` of a matrix, `stride`,
 * elements from one row to the next, and `width`, elements of a new row, at least `rows`.
 */
export function transposeKernel(x: DType, output: DType = x): Kernel {
  return kernel("transpose", { x, output }, transpose);
}

function transpose({ x, output }: Transpose): Shader {
  const load = output.isFloat ? "load_x" : "load_int_x";
  return elementwise({
    inputs: [["x", x]],
    output,
    fields: ["rows", "columns", "stride", "width"],
    functions: /* wgsl */ `
fn transposed(i: u32) -> ${output.isFloat ? "f32" : "i32"} {
  let row = i % params.width;
  let line = i / params.width;
  let matrix = line / params.columns;
  if (row >= params.rows) { return ${output.isFloat ? "0.0" : "0"}; }
  return ${load}((matrix * params.rows + row) * params.stride + line % params.columns);
}
`,
    value: "transposed(i)",
  });
}
