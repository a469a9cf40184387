/**
 * The queue: kernels are compiled once, dispatches gather in one command buffer, and the host
 * waits for nothing but a read.
 *
 * @module
 */
import type { Kernel } from "./kernels/kernel.ts";
import { boundSizes, type Dialect, writeShader } from "./kernels/shader.ts";
import { BufferPool, type Pool, type PooledBuffer } from "./pool.ts";
import { copiedBytes, type StepSink } from "./steps.ts";

/** How often a loss is looked for once a mapping has failed, each time a millisecond longer. */
const LOSS_TURNS = 30;

/** Thrown by everything that still needs a device which was lost. */
export class DeviceLostError extends Error {
  /** The class's name, as it stands in printed errors. */
  override name = "DeviceLostError";
}

const DISPATCHES_A_SUBMIT = 48;
const BYTES_A_SUBMIT = 64 * 2 ** 20;
const PARAMS_KEPT = 1024;
const GROUPS_KEPT = 2048;

/** A kernel that is compiled. */
export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Which of the runtime's it is. */
  readonly number: number;
  /** How many bytes of each buffer are bound; nothing for all. */
  readonly sizes: readonly (number | undefined)[];
}

/** Work for the queue. */
export type Enqueued =
  | {
    readonly pipeline: Pipeline;
    readonly group: GPUBindGroup;
    readonly workgroups: number;
  }
  | { readonly from: GPUBuffer; readonly to: GPUBuffer; readonly size: number };

/** One WebGPU device and what was made on it. */
export class Runtime implements StepSink {
  /** The device's buffers. */
  readonly pool: BufferPool;
  /** Each step is looked up when it comes. */
  readonly repeated = false;
  private readonly pipelines = new Map<string, Pipeline>();
  private readonly params = new Map<string, GPUBuffer>();
  private readonly groups = new Map<string, GPUBindGroup>();
  private readonly retired: GPUBuffer[] = [];
  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private dispatches = 0;
  private uploaded = 0;
  private failure: Error | undefined;
  private readonly lost: Promise<never>;

  /** Whether each kernel is printed, with its key, when it is compiled. */
  printsKernels = false;

  constructor(readonly device: GPUDevice, private readonly dialect: Dialect) {
    this.pool = new BufferPool(device, 512 * 2 ** 20);
    this.lost = device.lost.then((info) => {
      this.failure = new DeviceLostError(
        `The WebGPU device was lost (${info.reason || "unknown"}${
          info.message ? `: ${info.message}` : ""
        }). Its tensors are gone: call init() again and load the model anew.`,
      );
      throw this.failure;
    });
    this.lost.catch(() => {}); // told to whoever waits or calls next
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      const { error } = event as GPUUncapturedErrorEvent;
      this.failure ??= new Error(`WebGPU: ${error.message}`, { cause: error });
    });
  }

  /** Whether the device can still be used. */
  get usable(): boolean {
    return this.failure === undefined;
  }

  /** @throws {Error} if the device cannot be used any more. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Enqueues `kernel` over `workgroups`, folded into two dimensions where one cannot hold them. */
  dispatch(
    kernel: Kernel,
    buffers: readonly PooledBuffer[],
    params: readonly number[],
    workgroups: number,
  ): void {
    this.check();
    if (workgroups === 0) return;
    const pipeline = this.pipeline(kernel);
    const group = this.bindGroup(pipeline, buffers, params);
    this.enqueue({ pipeline, group, workgroups });
  }

  /** Puts work into the command buffer. */
  enqueue(work: Enqueued): void {
    this.encoder ??= this.device.createCommandEncoder();
    if ("from" in work) {
      this.endPass();
      this.encoder.copyBufferToBuffer(work.from, 0, work.to, 0, work.size);
      return;
    }
    const { pipeline, group, workgroups } = work;
    const widest = this.device.limits.maxComputeWorkgroupsPerDimension;
    this.pass ??= this.encoder.beginComputePass();
    this.pass.setPipeline(pipeline.gpu);
    this.pass.setBindGroup(0, group);
    if (workgroups <= widest) this.pass.dispatchWorkgroups(workgroups);
    else {
      const y = Math.ceil(workgroups / widest);
      this.pass.dispatchWorkgroups(Math.ceil(workgroups / y), y);
    }
    if (++this.dispatches >= DISPATCHES_A_SUBMIT) this.submit();
  }

  /** A kernel's pipeline; compiled when first asked for. */
  pipeline(kernel: Kernel): Pipeline {
    const { key } = kernel;
    let pipeline = this.pipelines.get(key);
    if (!pipeline) {
      const shader = kernel.shader();
      const code = writeShader(shader, this.dialect);
      if (this.printsKernels) console.error(`// ${key}\n${code}`);
      const module = this.device.createShaderModule({ label: key, code });
      const gpu = this.device.createComputePipeline({
        label: key,
        layout: "auto",
        compute: { module, entryPoint: "main" },
      });
      const [layout, sizes] = [gpu.getBindGroupLayout(0), boundSizes(shader)];
      pipeline = { gpu, layout, number: this.pipelines.size, sizes };
      this.pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** Binds buffers and parameters. Loops bind the same ones again, so groups are kept. */
  bindGroup(
    pipeline: Pipeline,
    buffers: readonly PooledBuffer[],
    params: readonly number[],
  ): GPUBindGroup {
    const words = params.join();
    const uniform = this.uniform(params, words);
    const key = `${pipeline.number}|${buffers.map((buffer) => buffer.id).join()}|${words}`;
    let group = this.groups.get(key);
    if (!group) {
      group = this.bind(pipeline, buffers.map(({ gpu }) => gpu), uniform);
      if (this.groups.size >= GROUPS_KEPT) this.groups.clear();
      this.groups.set(key, group);
    }
    return group;
  }

  /** Binds buffers and, after them, the parameters. */
  bind({ layout, sizes }: Pipeline, buffers: readonly GPUBuffer[], uniform: GPUBuffer) {
    const entries = [...buffers, uniform].map((buffer, binding) => ({
      binding,
      resource: { buffer, size: sizes[binding] },
    }));
    return this.device.createBindGroup({ layout, entries });
  }

  /**
   * A uniform buffer with these words, which `key` lists. Loops pass the same ones again, so they are
   * kept.
   */
  private uniform(words: readonly number[], key: string): GPUBuffer {
    let buffer = this.params.get(key);
    if (!buffer) {
      if (this.params.size >= PARAMS_KEPT) {
        this.retired.push(...this.params.values());
        this.params.clear();
        this.groups.clear(); // they hold on to the retired ones
      }
      this.params.set(key, buffer = this.makeUniform(words));
    }
    return buffer;
  }

  /** A new uniform buffer with these words. */
  makeUniform(words: readonly number[]): GPUBuffer {
    const buffer = this.device.createBuffer({
      size: Math.ceil(Math.max(words.length, 1) / 4) * 16,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, Uint32Array.from(words));
    return buffer;
  }

  /** A buffer of `pool` with `bytes` in it, padded with zeros to whole words. */
  upload(bytes: Uint8Array, label: string, pool: Pool = this.pool): PooledBuffer {
    this.check();
    const buffer = pool.acquire(bytes.byteLength, label, true);
    // A reused buffer may still be read by work that is enqueued but not submitted.
    if (buffer.reused) this.submit();
    const whole = bytes.byteLength & ~3;
    const { queue } = this.device;
    if (whole) queue.writeBuffer(buffer.gpu, 0, bytes as BufferSource, 0, whole);
    if (whole < bytes.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      queue.writeBuffer(buffer.gpu, whole, tail);
    }
    this.uploaded += bytes.byteLength;
    if (this.uploaded > BYTES_A_SUBMIT) this.submit();
    return buffer;
  }

  /** Enqueues a copy. */
  copy(from: PooledBuffer, to: PooledBuffer): void {
    this.check();
    const size = copiedBytes(from);
    if (size > 0) this.enqueue({ from: from.gpu, to: to.gpu, size });
  }

  /** Runs what is enqueued and copies a buffer to the host. */
  async read(buffer: PooledBuffer): Promise<Uint8Array> {
    this.check();
    const size = copiedBytes(buffer);
    if (size === 0) return new Uint8Array(0);
    const staging = this.device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    try {
      this.endPass();
      this.encoder ??= this.device.createCommandEncoder();
      this.encoder.copyBufferToBuffer(buffer.gpu, 0, staging, 0, size);
      this.submit();
      await Promise.race([staging.mapAsync(GPUMapMode.READ), this.lost]).catch(async (error) => {
        // A lost device also fails the mapping, in some hosts before it tells of the loss, which says more.
        for (let turn = 0; turn < LOSS_TURNS && !this.failure; turn++) {
          await new Promise((resolve) => setTimeout(resolve, turn));
        }
        throw this.failure ?? error;
      });
      this.check();
      return new Uint8Array(staging.getMappedRange().slice(0), 0, buffer.byteLength);
    } finally {
      staging.destroy();
    }
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }

  /** Hands what is enqueued to the device. */
  submit(): void {
    this.endPass();
    if (this.encoder) this.device.queue.submit([this.encoder.finish()]);
    else if (this.uploaded) this.device.queue.submit([]);
    this.encoder = undefined;
    this.dispatches = 0;
    this.uploaded = 0;
    this.retired.splice(0).forEach((buffer) => buffer.destroy());
    if (this.pool.overfull) {
      this.pool.trim();
      this.groups.clear();
    }
  }
}
