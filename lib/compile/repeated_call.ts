/**
 * A call like one before it: all that can be known before it comes is prepared.
 *
 * A layer of a single row takes microseconds, so each check and each array here would be felt.
 *
 * @module
 */
import type { DeviceBuffer } from "../backend/backend.ts";
import { CpuBackend } from "../backend/cpu/backend.ts";
import { type DType, float32 } from "../numbers/dtype.ts";
import type { OrtTensor } from "../onnx/run/ort.ts";
import { type OnnxRuntime, type UncheckedRun, uncheckedRun } from "../onnx/run/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";
import { outputTensor } from "./output_tensor.ts";
import { ReusedOutputs } from "./reused_outputs.ts";

/** An input as it was in the call before. */
interface Kind {
  readonly name: string;
  readonly shape: readonly number[];
  readonly count: number;
}

/** Calls on float32 inputs of given shapes in the host's memory; one at a time. */
export class RepeatedCall {
  private readonly session: UncheckedRun;
  private readonly feeds: Record<string, OrtTensor | undefined>;
  private readonly lent: DeviceBuffer[] = [];

  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly kinds: readonly Kind[],
    private readonly outputs: ReusedOutputs | undefined,
  ) {
    this.session = uncheckedRun(runtime);
    this.feeds = Object.fromEntries(kinds.map(({ name }) => [name, undefined]));
  }

  /** For calls like one that was run; nothing if its inputs were not all of float32. */
  static like(
    runtime: OnnxRuntime,
    inputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[],
    outputs: readonly Tensor[],
  ): RepeatedCall | undefined {
    if (!inputs.every(({ dtype }) => dtype === float32)) return undefined;
    const kinds = inputs.map(({ shape }, i) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return { name: runtime.inputs[i].name, shape, count };
    });
    return new RepeatedCall(runtime, kinds, ReusedOutputs.of(runtime, outputs));
  }

  /** Whether inputs are such, and can be read at once. */
  suits(inputs: readonly Tensor[]): boolean {
    const { kinds } = this;
    if (inputs.length !== kinds.length) return false;
    for (let i = 0; i < kinds.length; i++) {
      const x = inputs[i];
      if (
        !(x instanceof Tensor) || x.disposed || x.dtype !== float32 ||
        !(x.backend instanceof CpuBackend)
      ) return false;
      const [{ shape }, { shape: known }] = [x, kinds[i]];
      if (shape === known) continue;
      if (shape.length !== known.length) return false;
      for (let d = 0; d < shape.length; d++) if (shape[d] !== known[d]) return false;
    }
    return true;
  }

  /** Runs the model on inputs that suit; `ended` is called before anybody hears of the outputs. */
  run(inputs: readonly Tensor[], ended: () => void): Promise<Tensor[]> {
    const { kinds, session, feeds, lent, outputs, runtime } = this;
    const backend = inputs[0].backend as CpuBackend;
    for (let i = 0; i < kinds.length; i++) {
      const { name, shape, count } = kinds[i];
      const { buffer } = inputs[i].operand;
      const { buffer: bytes, byteOffset } = backend.borrow(buffer);
      lent.push(buffer);
      const data = new Float32Array(bytes as ArrayBuffer, byteOffset, count);
      feeds[name] = session.tensor("float32", data, shape);
    }
    const taken = outputs?.take();
    const done = () => {
      for (let i = 0; i < kinds.length; i++) {
        feeds[kinds[i].name] = undefined;
        backend.letGo(lent[i]);
      }
      lent.length = 0;
      ended();
    };
    return session.run(feeds as Record<string, OrtTensor>, taken?.fetches).then(
      (results) => {
        done();
        if (taken) return outputs!.tensors(backend, taken);
        return runtime.outputs.map(({ name }) => outputTensor(backend, results[name], float32));
      },
      (error) => {
        done();
        return session.failed(error);
      },
    );
  }
}
