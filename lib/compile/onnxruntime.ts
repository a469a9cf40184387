/**
 * Compiled models on onnxruntime's CPU kernels.
 *
 * @module
 */
import type { Backend, DeviceBuffer } from "../backend/backend.ts";
import { CpuBackend } from "../backend/cpu/backend.ts";
import type { Module } from "../nn/module.ts";
import { exportedModel } from "../onnx/export/export.ts";
import { type OnnxElements, type OnnxFeed, OnnxRuntime } from "../onnx/run/runtime.ts";
import { bool, type DType, float32 } from "../numbers/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fieldsOf, type ModelFields, unchanged } from "./fields.ts";
import { outputTensor } from "./output_tensor.ts";
import { firstOf, type Program } from "./program.ts";
import { RepeatedCall } from "./repeated_call.ts";

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

/** Where outputs go, and what inputs are like: what is asked of tensors that may be freed while a run waits. */
interface Call {
  readonly backend: Backend;
  readonly kinds: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
}

/** What is asked of the inputs of a call. */
function callOf(inputs: readonly Tensor[]): Call {
  return {
    backend: inputs[0].backend,
    kinds: inputs.map(({ shape, dtype }) => ({ shape, dtype })),
  };
}

/** The numbers of an input, and the buffer that they lie in, which is held until they are read. */
interface Held {
  readonly data: OnnxElements;
  readonly buffer?: DeviceBuffer;
}

/** Runs a model with onnxruntime; sessions are made on the first forward. */
export class OnnxRuntimeProgram implements Program {
  private sessions = new Map<string, Promise<Session>>();
  private fields: ModelFields = [];
  /** Ends when all that was asked for so far is done: sessions run one call at a time. */
  private queue: Promise<unknown> = Promise.resolve();
  /** Calls that have not ended. */
  private open = 0;
  /** Spares a call like the last one all that is not running it. */
  private repeated: RepeatedCall | undefined;
  private readonly ended = () => void this.open--;
  private disposed = false;

  /** Compiles nothing yet. */
  constructor(private readonly model: Module) {}

  /** The model's outputs, on the device and in the dtype of the first input. */
  forwardAll(...inputs: Tensor[]): Promise<Tensor[]> {
    if (!this.repeats(inputs)) return this.later(inputs);
    return this.queue = this.repeated!.run(inputs);
  }

  /** The model's first output. */
  forward(...inputs: Tensor[]): Promise<Tensor> {
    if (!this.repeats(inputs)) return this.later(inputs).then(firstOf);
    return this.queue = this.repeated!.runFirst(inputs);
  }

  /** Whether a call is like the one before and needs to wait for nobody; if so, it has begun. */
  private repeats(inputs: readonly Tensor[]): boolean {
    const { repeated } = this;
    if (!repeated || this.open > 0 || !repeated.suits(inputs) || !unchanged(this.fields)) {
      return false;
    }
    this.open++;
    return true;
  }

  /** Runs once the session is there, and what the inputs hold. */
  private async later(inputs: readonly Tensor[]): Promise<Tensor[]> {
    if (this.disposed) {
      throw new Error(`${WHERE}: this OptimizedModule was disposed; compile the model again`);
    }
    if (inputs.length === 0 || !inputs.every((x) => x instanceof Tensor)) {
      throw new TypeError(`${WHERE}: forward takes one tensor or more, as the model's own does`);
    }
    const ready = Promise.all([this.sessionFor(inputs), ...inputs.map(hostValues)]);
    ready.catch(() => {}); // it is the queue that passes an error on
    const call = callOf(inputs);
    return await this.enqueue(async () => {
      const [session, ...hosts] = await ready;
      const { runtime } = session;
      const outputs = await this.run(runtime, call, hosts);
      // Unless it was given up meanwhile.
      if (await this.known(inputs) === session) {
        this.repeated = RepeatedCall.like(runtime, call.kinds, outputs, this.ended);
      }
      return outputs;
    });
  }

  /** Frees the sessions, once the calls that are on their way are done. */
  dispose(): void {
    this.disposed = true;
    this.release();
  }

  /** Runs `work` after all before it: at once if there is nothing. */
  private enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.open++ > 0 ? this.queue.then(work, work) : work();
    this.queue = done.then(this.ended, this.ended);
    return done;
  }

  private release(): void {
    this.repeated = undefined;
    const sessions = new Set(this.sessions.values());
    this.sessions.clear();
    this.enqueue(async () => {
      for (const session of await Promise.allSettled(sessions)) {
        if (session.status === "fulfilled") await session.value.runtime.release();
      }
    });
  }

  /** The session for such inputs, if there is one. */
  private known(inputs: readonly Tensor[]): Promise<Session> | undefined {
    return this.sessions.get(kindOf(inputs, false)) ?? this.sessions.get(kindOf(inputs, true));
  }

  /** The session for such inputs; made anew if a field of the model was replaced since. */
  private sessionFor(inputs: readonly Tensor[]): Promise<Session> {
    if (!unchanged(this.fields)) this.release();
    const known = this.known(inputs);
    if (known) return known;
    const [any, exact] = [kindOf(inputs, false), kindOf(inputs, true)];
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
    runtime: OnnxRuntime,
    { backend, kinds }: Call,
    hosts: readonly Held[],
  ): Promise<Tensor[]> {
    const feeds: Record<string, OnnxFeed> = Object.fromEntries(
      kinds.map(({ shape }, i) => [runtime.inputs[i].name, { data: hosts[i].data, dims: shape }]),
    );
    try {
      const results = await runtime.run(feeds);
      return runtime.outputs.map(({ name }) =>
        outputTensor(backend, results[name], kinds[0].dtype)
      );
    } finally {
      for (const { buffer } of hosts) if (buffer) (backend as CpuBackend).letGo(buffer);
    }
  }
}

/** Whether a tensor's numbers are floats in the host's memory. */
function isAtHand(x: Tensor): boolean {
  return x instanceof Tensor && !x.disposed && x.dtype === float32 &&
    x.backend instanceof CpuBackend;
}

/** Those floats, not copied. */
function floatsAtHand(x: Tensor): Held {
  const { buffer } = x.operand;
  const bytes = (x.backend as CpuBackend).borrow(buffer);
  return { data: new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, x.numel), buffer };
}

/** A tensor's numbers as a file has them. */
async function hostValues(x: Tensor): Promise<Held> {
  if (isAtHand(x)) return floatsAtHand(x);
  const values = await x.data();
  if (x.dtype.isFloat) return { data: values as Float32Array };
  return { data: x.dtype === bool ? Uint8Array.from(values) : BigInt64Array.from(values, BigInt) };
}
