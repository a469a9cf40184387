/** What becomes of a float product's sums. */
import type { DType } from "../../../numbers/dtype.ts";
import type { Clip } from "../../convolution.ts";
import { clipFunction } from "./clip.ts";
import { loader } from "./elements.ts";
import type { Epilogue } from "./product.ts";

/** Bias and clip. Binding: the bias, if any. */
export function floatEpilogue(bias: DType | undefined, clip: Clip | undefined): Epilogue {
  return {
    arrays: bias ? [["bias", "u32"]] : [],
    functions: (bias ? loader("bias", bias) : "") + (clip ? clipFunction(clip) : ""),
    shared: "",
    row: () => "",
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, _, j) => {
      const y = bias ? `${sum} + bias_${j}` : sum;
      return clip ? `clip(${y})` : y;
    },
  };
}
