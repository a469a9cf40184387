/**
 * How long dispatches take on the device.
 *
 * @module
 */
import type { Runtime } from "../backend/webgpu/runtime.ts";

/** Times work by the device's own clock where it has one, else by the host's. */
export class DispatchTimer {
  private readonly queries: GPUQuerySet | undefined;
  private readonly resolved: GPUBuffer | undefined;

  /** A timer for what is enqueued on a runtime. */
  constructor(private readonly runtime: Runtime) {
    const { device } = runtime;
    if (!device.features.has("timestamp-query")) return;
    this.queries = device.createQuerySet({ type: "timestamp", count: 2 });
    this.resolved = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Milliseconds a run. */
  async measure(run: () => void, repeats: number): Promise<number> {
    const { runtime, queries, resolved } = this;
    const repeat = () => {
      for (let i = 0; i < repeats; i++) run();
      runtime.submit();
    };
    const start = performance.now();
    if (!queries || !resolved) {
      runtime.submit();
      repeat();
      await runtime.device.queue.onSubmittedWorkDone();
      return (performance.now() - start) / repeats;
    }
    this.stamp(0);
    repeat();
    this.stamp(1);
    const [begin, end] = new BigUint64Array(await this.read());
    return Number(end - begin) / 1e6 / repeats;
  }

  /** Writes the time into query `i` once all before is done. */
  private stamp(i: number): void {
    const { runtime: { device }, queries } = this;
    this.runtime.submit();
    const encoder = device.createCommandEncoder();
    encoder.beginComputePass({
      timestampWrites: {
        querySet: queries!,
        ...i === 0 ? { endOfPassWriteIndex: 0 } : { beginningOfPassWriteIndex: 1 },
      },
    }).end();
    device.queue.submit([encoder.finish()]);
  }

  private async read(): Promise<ArrayBuffer> {
    const { runtime: { device }, queries, resolved } = this;
    const staging = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    try {
      const encoder = device.createCommandEncoder();
      encoder.resolveQuerySet(queries!, 0, 2, resolved!, 0);
      encoder.copyBufferToBuffer(resolved!, 0, staging, 0, 16);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }

  /** Frees its queries. */
  dispose(): void {
    this.queries?.destroy();
    this.resolved?.destroy();
  }
}
