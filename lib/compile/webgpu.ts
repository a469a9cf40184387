/**
 * Compiled models on WebGPU: what a forward enqueues is recorded once for each shape of the inputs,
 * and from then on replayed over the same buffers.
 *
 * @module
 */
import type { PooledBuffer } from "../backend/webgpu/pool.ts";
import { WebGpuBackend } from "../backend/webgpu/backend.ts";
import type { Module } from "../nn/module.ts";
import { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import type { DType } from "../numbers/dtype.ts";
import { checkTensor, Tensor } from "../tensor/tensor.ts";
import { firstOf, type Program } from "./program.ts";
import { fieldsOf, type ModelFields, unchanged } from "./fields.ts";
import { record, type Recording } from "./recording.ts";

/** How many shapes of inputs are kept ready. */
const PLANS_KEPT = 16;

/** A recorded forward. */
export interface ForwardPlan {
  readonly recording: Recording;
  /** What each output is. */
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
  /** What the model consisted of when it was recorded. */
  readonly fields: ModelFields;
}

/** Replays a model's forward on WebGPU. */
export class WebGpuProgram implements Program {
  private readonly plans = new Map<string, ForwardPlan>();
  private disposed = false;

  /** Records nothing yet. */
  constructor(private readonly model: Module) {}

  /** The model's outputs, each in memory of its own. Enqueued. */
  forwardAll(...inputs: Tensor[]): Tensor[] {
    return this.run(this.plan(inputs), inputs);
  }

  /** The model's first output. Enqueued. */
  forward(...inputs: Tensor[]): Tensor {
    return firstOf(this.forwardAll(...inputs));
  }

  /** Replays a plan that was made for such inputs. */
  run({ recording, outputs }: ForwardPlan, inputs: readonly Tensor[]): Tensor[] {
    const buffers = inputs.map((x) => x.operand.buffer as PooledBuffer);
    return recording.replay(buffers).map((y, i) =>
      new Tensor(inputs[0].backend, y, outputs[i].shape, outputs[i].dtype)
    );
  }

  /** The plan for such inputs; recorded anew if a field of the model was replaced since. */
  plan(inputs: readonly Tensor[]): ForwardPlan {
    if (this.disposed) {
      throw new Error("compile: this OptimizedModule was disposed; compile the model again");
    }
    inputs.forEach((x) => checkTensor("compile", x));
    const backend = inputs[0]?.backend;
    if (!(backend instanceof WebGpuBackend) || inputs.some((x) => x.backend !== backend)) {
      throw new TypeError(
        `compile: the "webgpu" backend takes inputs on the WebGPU device, got ${
          inputs.map((x) => x.device).join(", ") || "none"
        }; bring them there with \`await x.to("webgpu")\`, or compile for "onnxruntime"`,
      );
    }
    const key = inputs.map(({ dtype, shape }) => `${dtype.name} ${shape}`).join(";");
    let plan = this.plans.get(key);
    if (plan && !unchanged(plan.fields)) {
      this.drop(key, plan);
      plan = undefined;
    }
    return plan ?? this.record(key, backend, inputs);
  }

  private record(key: string, backend: WebGpuBackend, inputs: readonly Tensor[]): ForwardPlan {
    for (const [name, module] of this.model.namedModules()) {
      if (module instanceof AffineQuantizedObserverBase) {
        throw new TypeError(
          `compile: ${
            name || "the model"
          } is an observer, which counts on being called for each batch; ` +
            `calibrate and quantize first, then compile`,
        );
      }
    }
    // What a first forward makes ready, packed weights for one, must not become part of the recording.
    for (const y of this.model.forwardAll(...inputs)) if (!inputs.includes(y)) y.dispose();
    let outputs: Tensor[];
    const recording = record(backend, (pool) => {
      const planned = inputs.map((x) => pool.acquire(x.nbytes, "compiled input"));
      const fixed = inputs.map((x, i) => new Tensor(backend, planned[i], x.shape, x.dtype).keep());
      outputs = this.model.forwardAll(...fixed).map((y) => y.keep());
      return {
        inputs: planned,
        outputs: outputs.map((y) => y.operand.buffer as PooledBuffer),
      };
    });
    const kinds = outputs!.map(({ shape, dtype }) => ({ shape, dtype }));
    const plan: ForwardPlan = { recording, outputs: kinds, fields: fieldsOf(this.model) };
    const [oldest] = this.plans;
    if (oldest && this.plans.size >= PLANS_KEPT) this.drop(...oldest);
    this.plans.set(key, plan);
    return plan;
  }

  private drop(key: string, plan: ForwardPlan): void {
    this.plans.delete(key);
    plan.recording.dispose();
  }

  /** Frees the recordings. */
  dispose(): void {
    this.disposed = true;
    for (const [key, plan] of this.plans) this.drop(key, plan);
  }
}
