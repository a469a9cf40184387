/**
 * A call like one before it: all that can be known before it comes is prepared.
 *
 * A layer of a single row takes microseconds, so each check and each object here would be felt, and each promise more.
 *
 * @module
 */
import { CpuBackend } from "../backend/cpu/backend.ts";
import type { CpuBuffer } from "../backend/cpu/buffer.ts";
import { type DType, float32 } from "../numbers/dtype.ts";
import {
  type OnnxRuntime,
  type ReusedTensor,
  type UncheckedRun,
  uncheckedRun,
} from "../onnx/run/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";
import { outputTensor } from "./output_tensor.ts";
import { firstOf } from "./program.ts";
import { type OutputMemory, RepeatedOutputs } from "./repeated_outputs.ts";

/** What a session gives, by name. */
type Results = Awaited<ReturnType<UncheckedRun["run"]>>;

/** An input as it was in the call before, and what onnxruntime is given for it. */
interface Input {
  readonly shape: readonly number[];
  readonly feed: ReusedTensor;
  /** The buffer that is read while a call is on its way. */
  buffer: CpuBuffer | undefined;
}

/** Calls on float32 inputs of given shapes in the host's memory; one at a time. */
export class RepeatedCall {
  private readonly session: UncheckedRun;
  private readonly feeds: Readonly<Record<string, ReusedTensor>>;
  /** Where the outputs of the call that is on its way go. */
  private backend: CpuBackend | undefined;
  private memory: OutputMemory | undefined;

  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly inputs: readonly Input[],
    private readonly outputs: RepeatedOutputs | undefined,
    private readonly ended: () => void,
  ) {
    this.session = uncheckedRun(runtime);
    this.feeds = Object.fromEntries(inputs.map(({ feed }, i) => [runtime.inputs[i].name, feed]));
  }

  /**
   * For calls like one that was run; nothing if its inputs were not all of float32.
   *
   * @param ended is called after each, before anybody hears of the outputs.
   */
  static like(
    runtime: OnnxRuntime,
    kinds: readonly { readonly shape: readonly number[]; readonly dtype: DType }[],
    outputs: readonly Tensor[],
    ended: () => void,
  ): RepeatedCall | undefined {
    if (!kinds.every(({ dtype }) => dtype === float32)) return undefined;
    const session = uncheckedRun(runtime);
    const inputs = kinds.map(({ shape }): Input => {
      return { shape, feed: session.reused("float32", shape), buffer: undefined };
    });
    return new RepeatedCall(runtime, inputs, RepeatedOutputs.of(runtime, outputs), ended);
  }

  /** Whether inputs are such, and can be read at once. */
  suits(given: readonly Tensor[]): boolean {
    const { inputs } = this;
    if (given.length !== inputs.length) return false;
    for (let i = 0; i < inputs.length; i++) {
      const x = given[i];
      if (
        !(x instanceof Tensor) || x.disposed || x.dtype !== float32 ||
        !(x.backend instanceof CpuBackend)
      ) return false;
      const [{ shape }, { shape: known }] = [x, inputs[i]];
      if (shape === known) continue;
      if (shape.length !== known.length) return false;
      for (let d = 0; d < shape.length; d++) if (shape[d] !== known[d]) return false;
    }
    return true;
  }

  /** Runs the model on inputs that suit, and gives all outputs. */
  run(given: readonly Tensor[]): Promise<Tensor[]> {
    return this.start(given).then(this.all, this.failed);
  }

  /** Runs the model on inputs that suit, and gives the first output. */
  runFirst(given: readonly Tensor[]): Promise<Tensor> {
    return this.start(given).then(this.first, this.failed);
  }

  private start(given: readonly Tensor[]): Promise<Results> {
    const { inputs, session, outputs } = this;
    this.backend = given[0].backend as CpuBackend;
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i];
      const buffer = input.buffer = given[i].operand.buffer as CpuBuffer;
      buffer.borrow();
      input.feed.data = buffer.floats;
    }
    const memory = this.memory = outputs?.take();
    return session.run(this.feeds, memory?.fetches);
  }

  private end(): void {
    const { inputs } = this;
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i];
      input.feed.data = undefined;
      input.buffer!.letGo();
      input.buffer = undefined;
    }
    this.ended();
  }

  private readonly all = (results: Results): Tensor[] => {
    const { outputs, memory, runtime, backend } = this;
    this.end();
    if (outputs) return outputs.tensors(backend!, results, memory);
    return runtime.outputs.map(({ name }) => outputTensor(backend!, results[name], float32));
  };

  private readonly first = (results: Results): Tensor => {
    const { outputs, memory, backend } = this;
    if (!outputs?.isOne) return firstOf(this.all(results));
    this.end();
    return outputs.tensor(backend!, results, memory, 0);
  };

  private readonly failed = (error: unknown): never => {
    this.end();
    return this.session.failed(error);
  };
}
