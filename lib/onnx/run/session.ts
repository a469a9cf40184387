/**
 * Running ONNX models of floats between arrays that the caller keeps.
 *
 * @module
 */
import { loadPackage, PACKAGES } from "../../files/packages.ts";
import { isPrecise, type Ort, type OrtSession, sessionOptions } from "./runtime.ts";

/** A host array and its shape. */
export interface HostTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** A model of floats that onnxruntime has taken in. */
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
    const options = sessionOptions(await isPrecise(where, ort));
    return new OnnxSession(ort, await ort.InferenceSession.create(model, options));
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
