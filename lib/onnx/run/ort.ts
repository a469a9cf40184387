/**
 * The part of onnxruntime-node that is used.
 *
 * @module
 */
import type { OnnxDataType } from "../file/data_type.ts";

/** The elements of a tensor, as onnxruntime takes and gives them. */
export type OnnxElements =
  | Float32Array
  | Float64Array
  | Float16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

/** The tensors of onnxruntime. */
export interface OrtTensor {
  readonly type: OnnxDataType;
  readonly data: OnnxElements;
  readonly dims: readonly number[];
}

/** What a session knows of an output: a tensor's sizes are numbers or names, of a scalar and of any shape none. */
export interface OrtValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/** A session of onnxruntime. */
export interface OrtSession {
  readonly outputMetadata: readonly OrtValueMetadata[];
  run(
    feeds: Readonly<Record<string, OrtTensor>>,
    fetches: Readonly<Record<string, OrtTensor | null>>,
  ): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** Options of a session; `extra` holds settings by the parts of their names. */
export interface SessionOptions extends Record<string, unknown> {
  readonly extra: { readonly session: Readonly<Record<string, string>> };
}

/** The part of onnxruntime-node that is used. */
export interface Ort {
  readonly Tensor: new (type: string, data: OnnxElements, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: SessionOptions): Promise<OrtSession>;
  };
}

/** Options of {@linkcode OnnxRuntime.open}. */
export interface OnnxRuntimeOptions {
  /** How much onnxruntime rewrites the model; all that it can by default. */
  optimization?: "disabled" | "basic" | "extended" | "all";
  /** Threads that compute one operator; as many as there are cores by default. */
  threads?: number;
  /** Whether onnxruntime computes with integers between DequantizeLinear and QuantizeLinear, as it does by default. */
  integers?: boolean;
  /** Where onnxruntime writes what it makes of the model; nowhere by default. */
  optimizedModelPath?: string;
}

/** The options of a session. */
export function sessionOptions(
  precise: boolean,
  { optimization = "all", threads, integers = true, optimizedModelPath }: OnnxRuntimeOptions = {},
): SessionOptions {
  return {
    graphOptimizationLevel: optimization,
    logSeverityLevel: 4, // what fails is thrown, and need not be printed too
    ...(threads ? { intraOpNumThreads: threads } : {}),
    ...(optimizedModelPath ? { optimizedModelFilePath: optimizedModelPath } : {}),
    extra: {
      session: {
        x64quantprecision: precise ? "1" : "0",
        // Float inputs of 4-bit weights would else be rounded to 8 bits on the way.
        qdq_matmulnbits_accuracy_level: "1",
        ...(integers ? {} : { disable_quant_qdq: "1" }),
      },
    },
  };
}

/** The options of a session with more settings that begin with `session.`. */
export function withSessionSettings(
  { extra: { session }, ...options }: SessionOptions,
  settings: Readonly<Record<string, string>>,
): SessionOptions {
  return { ...options, extra: { session: { ...session, ...settings } } };
}
