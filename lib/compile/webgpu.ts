/**
 * Compiled models on WebGPU: what a forward enqueues is recorded once for each shape of the inputs,
 * and from then on replayed over the same buffers.
 *
 * @module
 */
import type { PooledBuffer } from "../backend/webgpu/pool.ts";
import { WebGpuBackend } from "../backend/webgpu/backend.ts";
import type { Recording } from "../backend/webgpu/runtime.ts";
import type { Module } from "../nn/module.ts";
import { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import type { DType } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Program } from "./program.ts";

/** How many shapes of inputs are kept ready. */
const PLANS_KEPT = 16;

/** A recorded forward. */
interface Plan {
  readonly recording: Recording;
  readonly inputs: readonly PooledBuffer[];
  readonly output: PooledBuffer;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** What the model consisted of when it was recorded. */
  readonly fields: readonly Field[];
}

type Field = readonly [module: Module, field: string, value: unknown];

/** Every field of every module, so that a weight or a layer that was replaced is noticed. */
function fieldsOf(model: Module): Field[] {
  return model.namedModules().flatMap(([, module]) =>
    Object.entries(module)
      .filter(([field]) => field !== "fullName")
      .map(([field, value]): Field => [module, field, value])
  );
}

function unchanged(fields: readonly Field[]): boolean {
  return fields.every(([module, field, value]) =>
    (module as unknown as Record<string, unknown>)[field] === value
  );
}

/** Replays a model's forward on WebGPU. */
export class WebGpuProgram implements Program<Tensor> {
  private readonly plans = new Map<string, Plan>();
  private disposed = false;

  /** Records nothing yet. */
  constructor(private readonly model: Module) {}

  /** The model's output, in memory of its own. Enqueued. */
  forward(...inputs: Tensor[]): Tensor {
    if (this.disposed) {
      throw new Error("compile: this OptimizedModule was disposed; compile the model again");
    }
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
    plan ??= this.record(key, backend, inputs);
    const { runtime } = backend;
    inputs.forEach((x, i) => runtime.copy(x.operand.buffer as PooledBuffer, plan.inputs[i]));
    plan.recording.replay();
    const y = runtime.pool.acquire(plan.output.byteLength, "compiled output");
    runtime.copy(plan.output, y);
    return new Tensor(backend, y, plan.shape, plan.dtype);
  }

  private record(key: string, backend: WebGpuBackend, inputs: readonly Tensor[]): Plan {
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
    const { runtime } = backend;
    const { result, recording } = runtime.record(() => {
      const buffers = inputs.map((x) => runtime.pool.acquire(x.nbytes, "compiled input", true));
      const fixed = inputs.map((x, i) => new Tensor(backend, buffers[i], x.shape, x.dtype).keep());
      return { buffers, output: this.model.forward(...fixed).keep() };
    });
    const { buffers, output } = result;
    const plan: Plan = {
      recording,
      inputs: buffers,
      output: output.operand.buffer as PooledBuffer,
      shape: output.shape,
      dtype: output.dtype,
      fields: fieldsOf(this.model),
    };
    const [oldest] = this.plans;
    if (oldest && this.plans.size >= PLANS_KEPT) this.drop(...oldest);
    this.plans.set(key, plan);
    return plan;
  }

  private drop(key: string, plan: Plan): void {
    this.plans.delete(key);
    plan.recording.dispose();
  }

  /** Frees the recordings. */
  dispose(): void {
    this.disposed = true;
    for (const [key, plan] of this.plans) this.drop(key, plan);
  }
}
