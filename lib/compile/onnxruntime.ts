/**
 * Compiled models on onnxruntime's CPU kernels.
 *
 * @module
 */
import type { Backend } from "../backend/backend.ts";
import { CpuBackend } from "../backend/cpu/backend.ts";
import type { Module } from "../nn/module.ts";
import { exportedModel } from "../onnx/export/export.ts";
import { type OnnxElements, type OnnxOutput, OnnxRuntime } from "../onnx/run/runtime.ts";
import { bool, type DType, float32, int32 } from "../numbers/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fieldsOf, type ModelFields, unchanged } from "./fields.ts";
import type { Program } from "./program.ts";

const WHERE = "compile";

/** A session, and the inputs that it takes. */
interface Session {
  readonly runtime: OnnxRuntime;
  /** Whether inputs may have any number of samples. */
  readonly isOpen: boolean;
}

/** Inputs in words: with their number of samples, or for any number of them. */
function kindOf(inputs: readonly Tensor[], samples: boolean): string {
  const kinds = inputs.map(({ shape, dtype }) =>
    `${dtype.name} ${samples || shape.length < 2 ? `=${shape}` : shape.slice(1)}`
  );
  return kinds.join(";");
}

/** Runs a model with onnxruntime; sessions are made on the first forward. */
export class OnnxRuntimeProgram implements Program<Promise<Tensor[]>> {
  private sessions = new Map<string, Promise<Session>>();
  private fields: ModelFields = [];
  /** Ends when all that was asked for so far is done: sessions run one call at a time. */
  private queue: Promise<unknown> = Promise.resolve();
  private disposed = false;

  /** Compiles nothing yet. */
  constructor(private readonly model: Module) {}

  /** The model's outputs, on the device and in the dtype of the first input. */
  async forwardAll(...inputs: Tensor[]): Promise<Tensor[]> {
    if (this.disposed) {
      throw new Error(`${WHERE}: this OptimizedModule was disposed; compile the model again`);
    }
    if (inputs.length === 0 || !inputs.every((x) => x instanceof Tensor)) {
      throw new TypeError(`${WHERE}: forward takes one tensor or more, as the model's own does`);
    }
    const ready = Promise.all([this.sessionFor(inputs), ...inputs.map(hostValues)]);
    ready.catch(() => {}); // it is the queue that passes an error on
    return await this.enqueue(async () => {
      const [session, ...hosts] = await ready;
      return await this.run(session, inputs, hosts);
    });
  }

  /** Frees the sessions, once the calls that are on their way are done. */
  dispose(): void {
    this.disposed = true;
    this.release();
  }

  /** Runs `work` after all before it. */
  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.queue.then(work);
    this.queue = done.catch(() => {});
    return done;
  }

  private release(): void {
    const sessions = new Set(this.sessions.values());
    this.sessions.clear();
    this.enqueue(async () => {
      for (const session of await Promise.allSettled(sessions)) {
        if (session.status === "fulfilled") await session.value.runtime.release();
      }
    });
  }

  /** The session for such inputs; made anew if a field of the model was replaced since. */
  private sessionFor(inputs: readonly Tensor[]): Promise<Session> {
    if (!unchanged(this.fields)) this.release();
    const [any, exact] = [kindOf(inputs, false), kindOf(inputs, true)];
    const known = this.sessions.get(any) ?? this.sessions.get(exact);
    if (known) return known;
    const session = this.openSession(inputs);
    // Whether it is for any number of samples is seen when it is open.
    this.sessions.set(exact, session);
    session.then(({ isOpen }) => {
      if (isOpen && this.sessions.get(exact) === session) this.sessions.set(any, session);
    }, () => { // it may work another time
      if (this.sessions.get(exact) === session) this.sessions.delete(exact);
    });
    // The run that found the graph may have changed a counter or the like.
    this.fields = fieldsOf(this.model);
    return session;
  }

  private async openSession(inputs: readonly Tensor[]): Promise<Session> {
    const { model, isOpen } = await exportedModel(WHERE, this.model, inputs);
    return { runtime: await OnnxRuntime.open(WHERE, model), isOpen };
  }

  private async run(
    { runtime }: Session,
    inputs: readonly Tensor[],
    hosts: readonly OnnxElements[],
  ): Promise<Tensor[]> {
    const feeds = inputs.map(({ shape }, i) => [
      runtime.inputs[i].name,
      { data: hosts[i], dims: shape },
    ]);
    const results = await runtime.run(Object.fromEntries(feeds));
    const [{ backend, dtype }] = inputs;
    return runtime.outputs.map(({ name }) => tensorOf(backend, results[name], dtype));
  }
}

/** An output as a tensor: floats in the dtype of the first input, if that is a float one. */
function tensorOf(backend: Backend, { data, dims, type }: OnnxOutput, dtype: DType): Tensor {
  const upload = (values: ArrayBufferView, of: DType) => {
    const bytes = new Uint8Array(
      values.buffer as ArrayBuffer,
      values.byteOffset,
      values.byteLength,
    );
    const buffer = backend instanceof CpuBackend ? backend.adopt(bytes) : backend.upload(bytes);
    return new Tensor(backend, buffer, dims, of);
  };
  if (type === "int64") return upload(Int32Array.from(data as BigInt64Array, Number), int32);
  if (type === "bool") return upload(data as Uint8Array, bool);
  const y = upload(data as Float32Array, float32);
  if (dtype === float32 || !dtype.isFloat) return y;
  using wide = y;
  return wide.to(dtype);
}

/** A tensor's numbers as a file has them; those of a float32 one in the host's memory are not copied. */
async function hostValues(x: Tensor): Promise<OnnxElements> {
  if (x.dtype === float32 && x.backend instanceof CpuBackend) {
    const bytes = x.backend.view(x.operand.buffer);
    return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, x.numel);
  }
  const values = await x.data();
  if (x.dtype.isFloat) return values as Float32Array;
  return x.dtype === bool ? Uint8Array.from(values) : BigInt64Array.from(values, BigInt);
}
