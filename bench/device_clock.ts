/**
 * Device time from outside: while a clock runs, every compute pass that anybody begins gets
 * timestamps at both ends. So the project and its peers are timed in the same way, and none of them
 * has to know.
 *
 * @module
 */

/** Timestamps that a query set can hold, two a pass. */
const SLOTS = 4096;

/** The timestamps of one device. */
class Stamps {
  private readonly set: GPUQuerySet;
  private readonly resolved: GPUBuffer;
  private readonly staging: GPUBuffer;
  private used = 0;
  private full = false;

  constructor(private readonly device: GPUDevice) {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const size = SLOTS * 8;
    this.set = device.createQuerySet({ type: "timestamp", count: SLOTS });
    this.resolved = device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    this.staging = device.createBuffer({ size, usage: COPY_DST | MAP_READ });
  }

  /** Where the next pass writes; nothing once there is no room. */
  next(): GPUComputePassTimestampWrites | undefined {
    if (this.used + 2 > SLOTS) {
      this.full = true;
      return undefined;
    }
    const beginningOfPassWriteIndex = this.used;
    this.used += 2;
    const endOfPassWriteIndex = beginningOfPassWriteIndex + 1;
    return { querySet: this.set, beginningOfPassWriteIndex, endOfPassWriteIndex };
  }

  /** Milliseconds in each pass since the last call; nothing if there were too many passes. */
  async read(): Promise<number[] | undefined> {
    const { used, full } = this;
    this.used = 0;
    this.full = false;
    if (full) return undefined;
    if (used === 0) return [];
    const encoder = this.device.createCommandEncoder();
    encoder.resolveQuerySet(this.set, 0, used, this.resolved, 0);
    encoder.copyBufferToBuffer(this.resolved, 0, this.staging, 0, used * 8);
    this.device.queue.submit([encoder.finish()]);
    await this.staging.mapAsync(GPUMapMode.READ, 0, used * 8);
    const stamps = new BigUint64Array(this.staging.getMappedRange(0, used * 8).slice(0));
    this.staging.unmap();
    return Array.from(
      { length: used / 2 },
      (_, i) => Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6,
    );
  }
}

/** Times what devices do in compute passes. */
export class DeviceClock {
  private readonly stamps = new Map<GPUDevice, Stamps>();
  private readonly devices = new WeakMap<GPUCommandEncoder, GPUDevice>();
  private running = false;
  /** Whether a device without timestamps was at work. */
  private blind = false;

  /** Watches all devices from now on. */
  constructor() {
    // deno-lint-ignore no-this-alias
    const clock = this;
    const { createCommandEncoder } = GPUDevice.prototype;
    GPUDevice.prototype.createCommandEncoder = function (...args) {
      const encoder = createCommandEncoder.apply(this, args);
      clock.devices.set(encoder, this);
      return encoder;
    };
    const { beginComputePass } = GPUCommandEncoder.prototype;
    GPUCommandEncoder.prototype.beginComputePass = function (descriptor) {
      const timestampWrites = clock.running ? clock.writes(this) : undefined;
      return beginComputePass.call(
        this,
        timestampWrites ? { ...descriptor, timestampWrites } : descriptor,
      );
    };
  }

  private writes(encoder: GPUCommandEncoder): GPUComputePassTimestampWrites | undefined {
    const device = this.devices.get(encoder);
    if (!device?.features.has("timestamp-query")) {
      this.blind = true;
      return undefined;
    }
    let stamps = this.stamps.get(device);
    if (!stamps) this.stamps.set(device, stamps = new Stamps(device));
    return stamps.next();
  }

  /** Begins to time. Nothing may be under way. */
  start(): void {
    this.running = true;
    this.blind = false;
  }

  /**
   * Ends it, once all work is done.
   *
   * @returns milliseconds in each pass; nothing if there were none, or some could not be timed.
   */
  async passes(): Promise<number[] | undefined> {
    this.running = false;
    const passes: number[] = [];
    let complete = !this.blind;
    for (const stamps of this.stamps.values()) {
      const times = await stamps.read();
      if (times) passes.push(...times);
      else complete = false;
    }
    return complete && passes.length ? passes : undefined;
  }

  /** Ends it, and gives the milliseconds of all passes together. */
  async stop(): Promise<number | undefined> {
    return (await this.passes())?.reduce((sum, time) => sum + time, 0);
  }
}
