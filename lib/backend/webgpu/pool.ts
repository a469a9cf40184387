/**
 * Buffers, reused by size. A released buffer may be handed out at once: the queue runs what was
 * enqueued on it before what comes after.
 *
 * @module
 */
import type { DeviceBuffer, MemoryStats } from "../backend.ts";

const ids = new WeakMap<GPUBuffer, number>();
let nextId = 0;

/** Where buffers come from. */
export interface Pool {
  /** A buffer for `byteLength` bytes; a `constant` one is written by the host. */
  acquire(byteLength: number, label: string, constant?: boolean): PooledBuffer;
  /** Takes a buffer back. */
  release(buffer: PooledBuffer): void;
}

/** A buffer of a pool: `byteLength` bytes of contents in a possibly larger allocation. */
export class PooledBuffer implements DeviceBuffer {
  constructor(
    private allocation: GPUBuffer | undefined,
    readonly byteLength: number,
    readonly reused: boolean,
    readonly label: string,
    readonly pool: Pool,
  ) {}

  /** The allocation. @throws {Error} if it is a step of a recording, which has none of its own. */
  get gpu(): GPUBuffer {
    if (!this.allocation) {
      throw new Error(
        `compile: a tensor that forward made on its way (${this.label}) is no longer there; return it ` +
          `from forward, or run the model uncompiled to look at it`,
      );
    }
    return this.allocation;
  }

  /** Gives a buffer that was only planned its allocation. */
  allocate(gpu: GPUBuffer): void {
    this.allocation = gpu;
  }

  /** A number that no other allocation has. */
  get id(): number {
    let id = ids.get(this.gpu);
    if (id === undefined) ids.set(this.gpu, id = nextId++);
    return id;
  }
}

/** Sizes in eighths of a power of two, so that at most a ninth of an allocation is unused. */
export function sizeClass(byteLength: number): number {
  const wanted = Math.max(16, byteLength);
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(wanted)) - 3));
  return Math.ceil(wanted / step) * step;
}

/** The most bytes that one buffer may have and be bound whole. */
function mostBytes({ limits }: GPUDevice): number {
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
}

/** Refuses what cannot be bound. */
export function checkFits(device: GPUDevice, byteLength: number, label: string): void {
  const most = mostBytes(device);
  if (byteLength > most) {
    throw new RangeError(
      `${label}: a tensor of ${byteLength} bytes does not fit this WebGPU device, which binds at most ` +
        `${most} bytes; split it, use a narrower dtype, or compute on the CPU with { device: "cpu" }`,
    );
  }
}

/** A buffer of a size class, for storage and, where a kernel looks up in it, as a uniform. */
export function makeBuffer(device: GPUDevice, size: number, label: string): GPUBuffer {
  const most = mostBytes(device);
  return device.createBuffer({
    label,
    size: Math.min(size, most - most % 4),
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC |
      GPUBufferUsage.COPY_DST,
  });
}

/** Hands out storage buffers and takes them back. */
export class BufferPool implements Pool {
  private readonly free = new Map<number, GPUBuffer[]>();
  private liveBytes = 0;
  private liveBuffers = 0;
  private pooledBytes = 0;

  /**
   * @param device where buffers are made.
   * @param keepBytes how much may be kept for reuse.
   */
  constructor(private readonly device: GPUDevice, private readonly keepBytes: number) {}

  /** A buffer for `byteLength` bytes with whatever contents it had. */
  acquire(byteLength: number, label: string): PooledBuffer {
    const size = sizeClass(byteLength);
    checkFits(this.device, byteLength, label);
    this.liveBytes += size;
    this.liveBuffers++;
    const reused = this.free.get(size)?.pop();
    if (reused) this.pooledBytes -= size;
    const gpu = reused ?? makeBuffer(this.device, size, label);
    return new PooledBuffer(gpu, byteLength, reused !== undefined, label, this);
  }

  /** Takes a buffer back for reuse. */
  release(buffer: PooledBuffer): void {
    const size = sizeClass(buffer.byteLength);
    this.liveBytes -= size;
    this.liveBuffers--;
    this.pooledBytes += size;
    const list = this.free.get(size);
    if (list) list.push(buffer.gpu);
    else this.free.set(size, [buffer.gpu]);
  }

  /** Whether more is kept for reuse than should be. */
  get overfull(): boolean {
    return this.pooledBytes > this.keepBytes;
  }

  /** Destroys every free buffer. No enqueued work may still use them unsubmitted. */
  trim(): void {
    for (const list of this.free.values()) list.forEach((gpu) => gpu.destroy());
    this.free.clear();
    this.pooledBytes = 0;
  }

  stats(): MemoryStats {
    return {
      liveBytes: this.liveBytes,
      liveBuffers: this.liveBuffers,
      pooledBytes: this.pooledBytes,
    };
  }
}
