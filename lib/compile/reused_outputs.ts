/**
 * Arrays that a session writes its outputs into, again and again.
 *
 * What onnxruntime allocates for an output is freed when the garbage collector finds it, so each run of a loop would write
 * to memory that was never touched before.
 *
 * @module
 */
import type { CpuBackend } from "../backend/cpu/backend.ts";
import { float32 } from "../numbers/dtype.ts";
import type { OrtTensor } from "../onnx/run/ort.ts";
import {
  type OnnxRuntime,
  type OnnxValueInfo,
  type UncheckedRun,
  uncheckedRun,
} from "../onnx/run/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Sets of arrays that are kept while nobody uses them. */
const MOST_FREE = 2;

/** Memory for the outputs of one run. */
export interface OutputMemory {
  /** Arrays as onnxruntime takes them, by the outputs' names. */
  readonly fetches: Readonly<Record<string, OrtTensor>>;
  /** Their bytes, in the outputs' order. */
  readonly bytes: readonly Uint8Array[];
  /** Is called when nobody uses one of them any more. */
  readonly free: () => void;
}

/** The outputs of runs on inputs of the same shapes. */
export class ReusedOutputs {
  private readonly free: OutputMemory[] = [];
  private readonly session: UncheckedRun;

  private constructor(
    runtime: OnnxRuntime,
    private readonly outputs: readonly {
      readonly name: string;
      readonly shape: readonly number[];
    }[],
  ) {
    this.session = uncheckedRun(runtime);
  }

  /**
   * For a model whose outputs are all floats and have sizes that follow from those of its inputs; nothing for another.
   *
   * @param ys the outputs of a run on such inputs.
   */
  static of(runtime: OnnxRuntime, ys: readonly Tensor[]): ReusedOutputs | undefined {
    const { inputs, outputs } = runtime;
    const named = new Set(inputs.flatMap((input) => input.dims ?? []));
    const follows = ({ dtype, dims }: OnnxValueInfo) =>
      dtype === "float32" && dims?.every((size) => typeof size === "number" || named.has(size));
    if (!outputs.every(follows) || ys.some(({ numel }) => numel === 0)) return undefined;
    return new ReusedOutputs(runtime, outputs.map(({ name }, i) => ({ name, shape: ys[i].shape })));
  }

  /** Memory for the outputs of one run; the tensors made of it give it back. */
  take(): OutputMemory {
    return this.free.pop() ?? this.allocate();
  }

  private allocate(): OutputMemory {
    const { outputs, session, free } = this;
    const arrays = outputs.map(({ shape }) =>
      new Float32Array(shape.reduce((product, size) => product * size, 1))
    );
    let used = 0;
    const memory: OutputMemory = {
      fetches: Object.fromEntries(
        outputs.map(({ name, shape }, i) => [
          name,
          session.tensor("float32", arrays[i], shape),
        ]),
      ),
      bytes: arrays.map(({ buffer }) => new Uint8Array(buffer)),
      free: () => {
        if (++used < arrays.length) return;
        used = 0;
        if (free.length < MOST_FREE) free.push(memory);
      },
    };
    return memory;
  }

  /** The tensors of what was written; when they are freed the memory is for another run. */
  tensors(backend: CpuBackend, { bytes, free }: OutputMemory): Tensor[] {
    return this.outputs.map(({ shape }, i) =>
      new Tensor(backend, backend.adopt(bytes[i], free), shape, float32)
    );
  }
}
