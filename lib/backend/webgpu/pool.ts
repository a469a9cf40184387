/**
 * Buffers, reused by size. A released buffer may be handed out at once: the queue runs what was
 * enqueued on it before what comes after.
 *
 * @module
 */
import type { DeviceBuffer, MemoryStats } from "../backend.ts";

const ids = new WeakMap<GPUBuffer, number>();
let nextId = 0;

/** A buffer of the pool: `byteLength` bytes of contents in a possibly larger allocation. */
export class PooledBuffer implements DeviceBuffer {
  constructor(
    readonly gpu: GPUBuffer,
    readonly byteLength: number,
    readonly reused: boolean,
    readonly label: string,
    readonly pool: BufferPool,
    readonly constant: boolean,
  ) {}

  /** A number that no other allocation has. */
  get id(): number {
    let id = ids.get(this.gpu);
    if (id === undefined) ids.set(this.gpu, id = nextId++);
    return id;
  }
}

/** Sizes in eighths of a power of two, so that at most a ninth of an allocation is unused. */
function sizeClass(byteLength: number): number {
  const wanted = Math.max(16, byteLength);
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(wanted)) - 3));
  return Math.ceil(wanted / step) * step;
}

/** Hands out storage buffers and takes them back. */
export class BufferPool {
  private readonly free = new Map<number, GPUBuffer[]>();
  private liveBytes = 0;
  private liveBuffers = 0;
  private pooledBytes = 0;
  private readonly made: GPUBuffer[] = [];

  /**
   * @param device where buffers are made.
   * @param keepBytes how much may be kept for reuse.
   * @param arena whether this pool serves one recording: its buffers are destroyed together.
   */
  constructor(
    private readonly device: GPUDevice,
    private readonly keepBytes: number,
    private readonly arena = false,
  ) {}

  /**
   * A buffer for `byteLength` bytes with whatever contents it had. A `constant` one is written by the
   * host and must not be overwritten when a recording is replayed, so an arena never reuses it.
   */
  acquire(byteLength: number, label: string, constant = false): PooledBuffer {
    const size = sizeClass(byteLength);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (byteLength > most) {
      throw new RangeError(
        `${label}: a tensor of ${byteLength} bytes does not fit this WebGPU device, which binds at most ` +
          `${most} bytes; split it, use a narrower dtype, or compute on the CPU with { device: "cpu" }`,
      );
    }
    this.liveBytes += size;
    this.liveBuffers++;
    const fresh = this.arena && constant;
    const reused = fresh ? undefined : this.free.get(size)?.pop();
    if (reused) {
      this.pooledBytes -= size;
      return new PooledBuffer(reused, byteLength, true, label, this, constant);
    }
    const gpu = this.device.createBuffer({
      label,
      size: Math.min(size, most - most % 4),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    if (this.arena) this.made.push(gpu);
    return new PooledBuffer(gpu, byteLength, false, label, this, constant);
  }

  /** Takes a buffer back for reuse. */
  release(buffer: PooledBuffer): void {
    const size = sizeClass(buffer.byteLength);
    this.liveBytes -= size;
    this.liveBuffers--;
    if (this.arena && buffer.constant) return;
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

  /** Destroys every buffer that an arena ever made. */
  destroyArena(): void {
    this.made.splice(0).forEach((gpu) => gpu.destroy());
    this.free.clear();
  }

  stats(): MemoryStats {
    return {
      liveBytes: this.liveBytes,
      liveBuffers: this.liveBuffers,
      pooledBytes: this.pooledBytes,
    };
  }
}
