/**
 * What `compare` found out.
 *
 * @module
 */
import type { OnnxComparison } from "../onnx/accuracy/comparison.ts";

/** Two models side by side, and where they came from. */
export interface Comparison {
  /** The file of the float model. */
  readonly float: string;
  /** The file of the quantized model. */
  readonly quantized: string;
  /** The file or folder of the samples. */
  readonly data: string;
  /** The numbers. */
  readonly result: Pick<
    OnnxComparison,
    "samples" | "outputs" | "tensors" | "float" | "quantized" | "sqnr"
  >;
}
