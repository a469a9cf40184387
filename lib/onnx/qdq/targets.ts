/**
 * What quantized files are written for.
 *
 * @module
 */
import type { QuantType } from "./params.ts";
import { QUANTIZABLE_OPERATORS } from "./operators.ts";

/** Options of `quantizeStatic` that a target may have defaults of its own for. */
export interface TargetDefaults {
  readonly activationType?: "uint8" | "int8";
  readonly weightType?: QuantType;
  readonly perChannel?: boolean;
  readonly activationSymmetric?: boolean;
  readonly weightSymmetric?: boolean;
  readonly reduceRange?: boolean;
  readonly opTypesToQuantize?: readonly string[];
}

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
  /** Whether biases become integers of 32 bits, as onnxruntime's kernels read them. */
  readonly integerBiases: boolean;
  /** Whether kernels run it that are not those of onnxruntime for this processor. */
  readonly elsewhere: boolean;
  /** What is taken of options that are not given. */
  readonly defaults: TargetDefaults;
}

/**
 * What a quantized file is for. What each wants that differs from the first:
 *
 * - `"onnxruntime"`: onnxruntime's kernels for the processor that it runs on
 * - `"web"`: onnxruntime-web's WASM and WebGPU providers
 * - `"cpu-vnni"`: x86-64 that adds up four products of bytes in 32 bits; what `"onnxruntime"` has
 * - `"cpu-avx2"`: x86-64 without, whose sums of two products overflow 16 bits: weights of 7 bits
 * - `"arm64"`: signed bytes for activations too
 * - `"qnn"`: Qualcomm's processors for networks, through onnxruntime's QNN provider: unsigned bytes, one scale for each
 *   weight, all operators that can
 * - `"tensorrt"`: NVIDIA's TensorRT: signed bytes, 0 in the middle, biases as floats
 */
export type QuantizeTarget =
  | "onnxruntime"
  | "web"
  | "cpu-vnni"
  | "cpu-avx2"
  | "arm64"
  | "qnn"
  | "tensorrt";

/** onnxruntime on a processor. */
const CPU = {
  ...{ domain: "", spelledOut: false, fasterInFloat: false, integerBiases: true },
  elsewhere: false,
  defaults: {},
} as const satisfies Target;

/**
 * The targets by their names. Sources:
 *
 * - processors: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "Data type selection"
 *   (signed bytes for both are the first choice but on x86-64, where unsigned activations have the faster kernels) and
 *   "When and why do I need to try U8U8?" (7 bits on AVX2 and AVX512, above all with scales for each channel; neither
 *   VNNI nor ARM need them)
 * - qnn: https://onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider.html, "Generating a quantized model"
 *   (uint8 for activations and weights; one scale a tensor, which all versions take; what is left in float runs on the
 *   CPU)
 * - tensorrt: https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html (int8,
 *   symmetric, a scale a tensor for activations and one a channel for weights); its parser takes no
 *   DequantizeLinear of int32, so that biases stay float, as the page on explicit quantization beside it has them
 */
export const TARGETS = {
  onnxruntime: CPU,
  web: { ...CPU, domain: "com.microsoft", spelledOut: true, fasterInFloat: true },
  "cpu-vnni": CPU,
  "cpu-avx2": { ...CPU, defaults: { reduceRange: true } },
  arm64: { ...CPU, elsewhere: true, defaults: { activationType: "int8" } },
  qnn: {
    ...{ ...CPU, elsewhere: true },
    defaults: {
      ...{ weightType: "uint8", perChannel: false, weightSymmetric: false },
      opTypesToQuantize: QUANTIZABLE_OPERATORS,
    },
  },
  tensorrt: {
    ...{ ...CPU, elsewhere: true, integerBiases: false },
    defaults: { activationType: "int8", activationSymmetric: true },
  },
} as const satisfies Record<QuantizeTarget, Target>;

/** The names of the targets. */
export const QUANTIZE_TARGETS = Object.keys(TARGETS) as readonly QuantizeTarget[];

/** Options with those that a target has defaults for; what is given goes before. */
export function withDefaults<T extends object>(
  options: T,
  { defaults }: Target,
): T & TargetDefaults {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) } as T & TargetDefaults;
}
