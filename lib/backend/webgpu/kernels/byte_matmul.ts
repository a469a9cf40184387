/** Products of batches of matrices of bytes: exact sums with zero points taken out. */
import { int32 } from "../../../numbers/dtype.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { batchOf } from "./linear.ts";
import { matmul } from "./matmul.ts";
import { type Epilogue, packedStep } from "./product.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

/** What distinguishes them: dimensions of the batch, in which `x` and `w` may stand still. */
interface ByteMatmul {
  readonly batch: number;
  readonly tile: Tile;
}

/**
 * The kernel. Bindings after `x` and `w`: sums of their rows, and zero points, all int32. Parameters after
 * those of the batch: what was subtracted from the elements of `x` and of `w`, and the step from a column's
 * zero point to the next one's, 1 or 0.
 */
export function byteMatmulKernel(batch: number, tile: Tile): Kernel {
  return kernel("byte matmul", { batch, tile }, byteMatmul);
}

function byteMatmul({ batch, tile }: ByteMatmul): Shader {
  const counted = batchOf(batch, "w_matrix * params.n");
  const fields = [...counted.fields, "x_offset", "w_offset", "zero_step"];
  return matmul({
    step: packedStep(tile),
    tile,
    epilogue: EPILOGUE,
    output: int32,
    batch: { ...counted, fields },
  });
}

/** `Σ(x − zx)(w − zw) = Σxw − zx·Σw − zw·(Σx − K·zx)`, zero points as stored. */
const EPILOGUE: Epilogue = {
  arrays: [
    ["x_sums", "i32"],
    ["w_sums", "i32"],
    ["x_zero_point", "i32"],
    ["w_zero_point", "i32"],
  ],
  functions: "",
  shared: "let zx = x_zero_point[0] - i32(params.x_offset);",
  row: (i, m) => `let row_${i} = x_sums[x_matrix * params.m + ${m}] - i32(params.k) * zx;`,
  column: (j, n) =>
    `let column_${j} = w_sums[${n}];
let zw_${j} = w_zero_point[n_${j} * params.zero_step] - i32(params.w_offset);`,
  value: (sum, i, j) => `(${sum} - zx * column_${j} - zw_${j} * row_${i})`,
};
