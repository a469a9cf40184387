/**
 * Running ONNX models with onnxruntime, on the CPU.
 *
 * @module
 */
import { loadPackage, PACKAGES } from "./packages.ts";

/** Numbers with a shape, as onnxruntime takes and gives them. */
interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The part of onnxruntime-node that is used. */
interface Ort {
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<OrtSession>;
  };
}

interface OrtSession {
  run(
    feeds: Record<string, OrtTensor>,
    fetches: Record<string, OrtTensor>,
  ): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** A host array and its shape. */
export interface HostTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

const OPTIONS = {
  graphOptimizationLevel: "all",
  logSeverityLevel: 3,
  extra: {
    session: {
      // Processors without 8-bit dot products would else add pairs in 16 bits, which can overflow.
      //x64quantprecision: "1",
      // Float inputs of 4-bit weights would else be rounded to 8 bits on the way.
      qdq_matmulnbits_accuracy_level: "1",
    },
  },
};

/** A model that onnxruntime has taken in. */
export class OnnxSession {
  private constructor(private readonly ort: Ort, private readonly session: OrtSession) {}

  /**
   * Loads onnxruntime if it is not there yet, and a model into it.
   *
   * @param where opens the errors.
   * @param model the bytes of an ONNX file.
   * @throws {Error} if the package or its native code cannot be loaded.
   */
  static async open(where: string, model: Uint8Array): Promise<OnnxSession> {
    const ort = await loadPackage<Ort>(where, PACKAGES.onnxruntime);
    return new OnnxSession(ort, await ort.InferenceSession.create(model, OPTIONS));
  }

  /** Runs the model; the output is written into `output`. */
  async run(
    inputs: Readonly<Record<string, HostTensor>>,
    output: HostTensor & { readonly name: string },
  ): Promise<void> {
    const wrap = ({ data, shape }: HostTensor) => new this.ort.Tensor("float32", data, shape);
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, host]) => [name, wrap(host)]),
    );
    await this.session.run(feeds, { [output.name]: wrap(output) });
  }

  /** Frees the session. */
  async release(): Promise<void> {
    await this.session.release();
  }
}
