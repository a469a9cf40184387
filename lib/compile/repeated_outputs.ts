/**
 * The outputs of a session that runs on inputs of the same shapes again and again.
 *
 * What onnxruntime allocates for an output is freed when the garbage collector finds it, so each run of a loop would write
 * to memory that was never touched before. Large outputs are therefore written into arrays that are kept. Smaller ones
 * it computes in memory of its own, which it has in its caches, and copies: as measured that is a tenth faster at 32 KiB,
 * as fast at 1 to 4 MiB, and a tenth slower at 36 MiB.
 *
 * @module
 */
import type { CpuBackend } from "../backend/cpu/backend.ts";
import { float32 } from "../numbers/dtype.ts";
import type { OnnxOutput } from "../onnx/run/runtime.ts";
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
/** Bytes of all outputs together that are better allocated each time. */
const SMALL = 1 << 20;

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
export class RepeatedOutputs {
  private readonly free: OutputMemory[] = [];
  private readonly session: UncheckedRun;
  private readonly isSmall: boolean;

  private constructor(
    runtime: OnnxRuntime,
    private readonly outputs: readonly {
      readonly name: string;
      readonly shape: readonly number[];
      readonly count: number;
    }[],
  ) {
    this.session = uncheckedRun(runtime);
    this.isSmall = outputs.reduce((sum, { count }) => sum + 4 * count, 0) <= SMALL;
  }

  /**
   * For a model whose outputs are all floats and have sizes that follow from those of its inputs; nothing for another.
   *
   * @param ys the outputs of a run on such inputs.
   */
  static of(runtime: OnnxRuntime, ys: readonly Tensor[]): RepeatedOutputs | undefined {
    const { inputs, outputs } = runtime;
    const named = new Set(inputs.flatMap((input) => input.dims ?? []));
    const follows = ({ dtype, dims }: OnnxValueInfo) =>
      dtype === "float32" && dims?.every((size) => typeof size === "number" || named.has(size));
    if (!outputs.every(follows) || ys.some(({ numel }) => numel === 0)) return undefined;
    return new RepeatedOutputs(
      runtime,
      outputs.map(({ name }, i) => ({ name, shape: ys[i].shape, count: ys[i].numel })),
    );
  }

  /** Whether there is one output. */
  get isOne(): boolean {
    return this.outputs.length === 1;
  }

  /** Memory for the outputs of one run, which the tensors made of it give back; nothing for small ones. */
  take(): OutputMemory | undefined {
    return this.isSmall ? undefined : this.free.pop() ?? this.allocate();
  }

  private allocate(): OutputMemory {
    const { outputs, session, free } = this;
    const arrays = outputs.map(({ count }) => new Float32Array(count));
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

  /** The tensors of what a run gave; when they are freed, memory that was taken is for another run. */
  tensors(
    backend: CpuBackend,
    results: Readonly<Record<string, OnnxOutput>>,
    memory: OutputMemory | undefined,
  ): Tensor[] {
    return this.outputs.map((_, i) => this.tensor(backend, results, memory, i));
  }

  /** One of {@linkcode RepeatedOutputs.tensors}. */
  tensor(
    backend: CpuBackend,
    results: Readonly<Record<string, OnnxOutput>>,
    memory: OutputMemory | undefined,
    index: number,
  ): Tensor {
    const { name, shape } = this.outputs[index];
    if (memory) {
      return new Tensor(backend, backend.adopt(memory.bytes[index], memory.free), shape, float32);
    }
    const { buffer, byteOffset, byteLength } = results[name].data as Float32Array;
    const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    return new Tensor(backend, backend.adopt(bytes), shape, float32);
  }
}
