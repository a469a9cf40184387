/** Weights of convolutions in the order in which their kernels read them. */
import { type DType, float32, int16, int32, int8 } from "../../../numbers/dtype.ts";
import { byteOffset } from "../../channels_last.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that order weights. */
interface ConvWeightSpec {
  /** The integer dtype as wide as the weight's, in which its elements are moved. */
  readonly w: DType;
  readonly transposed: boolean;
  /** What is subtracted from bytes. */
  readonly offset: 0 | 128;
  /** Zero points, which stand between groups that are taken together: none, one, or one a row. */
  readonly zeroPoints: "none" | "one" | "row";
}

/**
 * Row by row of output channels, tap by tap, the channels of the groups that are taken together, filled up
 * with zeros. Bindings: w, zero points if any, and the result. Parameters after numel: `width`, elements a
 * tap; `taps`; `channels` and `columns` of a group, in and out; `together`, groups that are.
 */
export function convWeightKernel(
  w: DType,
  { transposed, zeroPoints = "none" }: Partial<ConvWeightSpec> & {
    readonly transposed: boolean;
  },
): Kernel {
  const moved = w.itemSize === 4 ? int32 : w.itemSize === 2 ? int16 : int8;
  const offset = byteOffset(w);
  return kernel("conv weight", { w: moved, transposed, offset, zeroPoints }, convWeight);
}

function convWeight({ w, transposed, offset, zeroPoints }: ConvWeightSpec): Shader {
  const zero = `i32(load_zero(${zeroPoints === "row" ? "n" : "0u"})) - ${offset}`;
  const filler = zeroPoints === "none" ? `${-offset}` : zero;
  const place = transposed
    ? "(n / params.columns * params.channels + channel) * params.columns + n % params.columns"
    : "n * params.channels + channel";
  return elementwise({
    inputs: [["w", w], ...zeroPoints === "none" ? [] : [["zero", float32] as const]],
    output: w,
    fields: ["width", "taps", "channels", "columns", "together"],
    functions: /* wgsl */ `
fn element(n: u32, channel: u32, tap: u32) -> i32 {
  return load_int_w((${place}) * params.taps + tap)${offset ? " ^ 128" : ""};
}
fn ordered(i: u32) -> i32 {
  let line = i / params.width;
  let n = line / params.taps;
  let member = i % params.width / params.channels;
  let channel = i % params.width % params.channels;
  if (member >= params.together) { return 0; }
  if (member != n / params.columns % params.together) { return ${filler}; }
  return element(n, channel, line % params.taps);
}
`,
    value: "ordered(i)",
  });
}
