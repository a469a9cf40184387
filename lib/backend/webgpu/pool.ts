/**
 * Buffers, reused by size. A released buffer may be handed out at once: the queue runs what was
 * enqueued on it before what comes after.
 *
 * @module
 */
import type { DeviceBuffer, MemoryStats } from "../backend.ts";

/** A buffer of the pool: `byteLength` bytes of contents in a possibly larger allocation. */
export class PooledBuffer implements DeviceBuffer {
  constructor(
    readonly gpu: GPUBuffer,
    readonly byteLength: number,
    readonly reused: boolean,
    readonly label: string,
  ) {}
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

  constructor(private readonly device: GPUDevice, private readonly keepBytes: number) {}

  /** A buffer for `byteLength` bytes with whatever contents it had. */
  acquire(byteLength: number, label: string): PooledBuffer {
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
    const reused = this.free.get(size)?.pop();
    if (reused) {
      this.pooledBytes -= size;
      return new PooledBuffer(reused, byteLength, true, label);
    }
    const gpu = this.device.createBuffer({
      label,
      size: Math.min(size, most - most % 4),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    return new PooledBuffer(gpu, byteLength, false, label);
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
