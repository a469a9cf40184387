/**
 * What quantized files are written for.
 *
 * @module
 */

/** How a file is written for those who run it. */
export interface Target {
  /**
   * The domain of QuantizeLinear and DequantizeLinear where one scale is for a whole tensor, or bytes are unsigned:
   * ONNX's own, or onnxruntime's, whose operators are the same. The WebGPU providers for browsers take only ONNX's.
   * That of onnxruntime-web's default import gives wrong numbers for these (microsoft/onnxruntime #32578), and that of
   * `onnxruntime-web/webgpu` fails up to 1.24 where a tensor's last size is no multiple of 4. What they do not take
   * runs in WebAssembly, rightly, and is fused there all the same.
   */
  readonly domain: "" | "com.microsoft";
  /** Whether convolutions say their steps and padding where ONNX has defaults: JSEP takes none without. */
  readonly spelledOut: boolean;
  /** Whether nodes stay float that WebAssembly computes faster so. */
  readonly fasterInFloat: boolean;
}

/**
 * What a quantized file is for: `"onnxruntime"` on processors of its own, or `"web"`, onnxruntime-web's WASM and WebGPU
 * providers.
 */
export type QuantizeTarget = "onnxruntime" | "web";

/** The targets by their names. */
export const TARGETS = {
  onnxruntime: { domain: "", spelledOut: false, fasterInFloat: false },
  web: { domain: "com.microsoft", spelledOut: true, fasterInFloat: true },
} as const satisfies Record<QuantizeTarget, Target>;

/** The names of the targets. */
export const QUANTIZE_TARGETS = Object.keys(TARGETS) as readonly QuantizeTarget[];
