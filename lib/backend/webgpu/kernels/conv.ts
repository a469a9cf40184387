/** The convolution's kernel: a product over taps. */
import type { DType } from "../../../numbers/dtype.ts";
import type { Clip } from "../../convolution.ts";
import { convBatch, type ConvPlaces, convTaps } from "./conv_taps.ts";
import { floatEpilogue } from "./float_epilogue.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { floatStep } from "./linear.ts";
import { matmul } from "./matmul.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

/** What distinguishes convolutions of floats from one another. */
export interface ConvSpec {
  /** Of `x`, of `w` and of the result, channels last. */
  readonly dtype: DType;
  readonly bias: DType | undefined;
  readonly clip: Clip | undefined;
  /** Nothing for a kernel of one tap that reads each pixel once, which is a plain product. */
  readonly places: ConvPlaces | undefined;
}

/** The convolution's kernel. */
export function convKernel(spec: ConvSpec, tile: Tile): Kernel {
  return kernel("conv", { ...spec, tile }, conv);
}

function conv({ dtype, bias, clip, places, tile }: ConvSpec & { readonly tile: Tile }): Shader {
  const step = floatStep(dtype);
  return matmul({
    step,
    tile,
    epilogue: floatEpilogue(bias, clip),
    output: dtype,
    padded: true,
    ...places && {
      batch: convBatch(places),
      taps: convTaps(places, step, () => "vec4<f32>()"),
    },
  });
}
