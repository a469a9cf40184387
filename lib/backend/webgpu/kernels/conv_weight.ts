/** Weights of convolutions in the order in which their kernels read them. */
import { type DType, int16, int32, int8 } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that order weights. */
interface ConvWeightSpec {
  /** The integer dtype as wide as the weight's, in which its elements are moved. */
  readonly w: DType;
  readonly transposed: boolean;
  /** Whether bytes are unsigned, of which 128 is subtracted. */
  readonly flip: boolean;
}

/**
 * Row by row of output channels, tap by tap, the channels of the groups that are taken together, filled up
 * with zeros. Parameters after numel: `width`, elements a tap; `taps`; `channels` and `columns` of a group,
 * in and out; `together`, groups that are.
 */
export function convWeightKernel(w: DType, transposed: boolean): Kernel {
  const moved = w.itemSize === 4 ? int32 : w.itemSize === 2 ? int16 : int8;
  const flip = w.itemSize === 1 && w.min === 0;
  return kernel("conv weight", { w: moved, transposed, flip }, convWeight);
}

function convWeight({ w, transposed, flip }: ConvWeightSpec): Shader {
  const place = transposed
    ? "(n / params.columns * params.channels + channel) * params.columns + n % params.columns"
    : "n * params.channels + channel";
  return elementwise({
    inputs: [["w", w]],
    output: w,
    fields: ["width", "taps", "channels", "columns", "together"],
    functions: /* wgsl */ `
fn ordered(i: u32) -> i32 {
  let line = i / params.width;
  let n = line / params.taps;
  let member = i % params.width / params.channels;
  let channel = i % params.width % params.channels;
  if (member != n / params.columns % params.together) { return 0; }
  return load_int_w((${place}) * params.taps + line % params.taps)${flip ? " ^ 128" : ""};
}
`,
    value: "ordered(i)",
  });
}
