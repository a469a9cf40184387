/**
 * Compiled models on onnxruntime's CPU kernels.
 *
 * @module
 */
import { CpuBackend } from "../backend/cpu/backend.ts";
import type { Module } from "../nn/module.ts";
import { exportedModel } from "../onnx/export/export.ts";
import { trace } from "../onnx/export/trace.ts";
import { OnnxRuntime } from "../onnx/run/runtime.ts";
import { float32 } from "../numbers/dtype.ts";
import { numelOf } from "../numbers/shape.ts";
import { Tensor, zeros } from "../tensor/tensor.ts";
import { fieldsOf, type ModelFields, unchanged } from "./fields.ts";
import type { Program } from "./program.ts";

const WHERE = "compile";

/** A session for inputs of one kind, whatever their number of rows. */
interface Session {
  readonly runtime: OnnxRuntime;
  /** The output's shape, with the first size of one row. */
  readonly outputShape: readonly number[];
}

/** What inputs must have in common to share a session: all but the first size, and the dtype. */
function kindOf(inputs: readonly Tensor[]): string {
  const kinds = inputs.map(({ shape, dtype }) =>
    `${dtype.name} ${shape.length < 2 ? `=${shape}` : shape.slice(1)}`
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

  /** The model's only output, on the device and in the dtype of the first input. */
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
      return [await this.run(session, inputs, hosts)];
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
    const sessions = [...this.sessions.values()];
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
    const kind = kindOf(inputs);
    const known = this.sessions.get(kind);
    if (known) return known;
    const session = this.openSession(inputs);
    this.sessions.set(kind, session);
    session.catch(() => { // it may work another time
      if (this.sessions.get(kind) === session) this.sessions.delete(kind);
    });
    // The run that found the graph may have changed a counter or the like.
    this.fields = fieldsOf(this.model);
    return session;
  }

  private async openSession(inputs: readonly Tensor[]): Promise<Session> {
    // One row is enough to find the graph.
    const examples = inputs.map(({ shape, dtype, device }) =>
      zeros(shape.length < 2 ? shape : [1, ...shape.slice(1)], { dtype, device })
    );
    let found;
    try {
      found = trace(WHERE, this.model, examples);
    } finally {
      examples.forEach((x) => x.dispose());
    }
    const exported = await exportedModel(WHERE, this.model, found);
    const runtime = await OnnxRuntime.open(WHERE, exported);
    return { runtime, outputShape: found.output.shape };
  }

  private async run(
    { runtime, outputShape }: Session,
    inputs: readonly Tensor[],
    hosts: readonly Float32Array[],
  ): Promise<Tensor> {
    const [{ shape: [rows], backend, dtype }] = inputs;
    const shape = outputShape.length < 2 ? outputShape : [rows, ...outputShape.slice(1)];
    const length = numelOf(shape);
    const data = new Float32Array(length);
    if (length > 0) {
      const feeds = inputs.map(({ shape }, i) => [
        runtime.inputs[i].name,
        { data: hosts[i], dims: shape },
      ]);
      const [output] = runtime.outputs;
      await runtime.runInto(Object.fromEntries(feeds), { [output.name]: { data, dims: shape } });
    }
    const bytes = new Uint8Array(data.buffer);
    const buffer = backend instanceof CpuBackend ? backend.adopt(bytes) : backend.upload(bytes);
    const y = new Tensor(backend, buffer, shape, float32);
    if (dtype === float32) return y;
    using wide = y;
    return wide.to(dtype);
  }
}

/** The numbers of a float tensor; those of a float32 one in the host's memory are not copied. */
async function hostValues(x: Tensor): Promise<Float32Array> {
  if (x.dtype !== float32) return await x.data() as Float32Array;
  const { backend, operand: { buffer } } = x;
  const bytes = backend instanceof CpuBackend ? backend.view(buffer) : await x.bytes();
  return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, x.numel);
}
