/**
 * Memory for recorded steps: buffers are planned while they are recorded, steps that nothing needs are
 * dropped, and what is left shares memory where lives do not meet.
 *
 * @module
 */
import { checkFits, makeBuffer, type Pool, PooledBuffer, sizeClass } from "./pool.ts";
import { bound, type Ends, type RecordedStep } from "./steps.ts";

/** Hands out buffers without memory; only those that the host writes get some at once. */
export class Arena implements Pool {
  /** The buffers that were handed out without memory. */
  readonly planned = new Set<PooledBuffer>();
  private readonly made: GPUBuffer[] = [];

  constructor(private readonly device: GPUDevice) {}

  acquire(byteLength: number, label: string, constant = false): PooledBuffer {
    checkFits(this.device, byteLength, label);
    const gpu = constant ? this.make(sizeClass(byteLength), label) : undefined;
    const buffer = new PooledBuffer(gpu, byteLength, false, label, this);
    if (!constant) this.planned.add(buffer);
    return buffer;
  }

  /** Memory of a size class, which is the arena's. */
  make(size: number, label: string): GPUBuffer {
    const gpu = makeBuffer(this.device, size, label);
    this.made.push(gpu);
    return gpu;
  }

  /** Nothing: a buffer's life is seen from the steps. */
  release(): void {}

  /** Frees all memory. */
  dispose(): void {
    this.made.splice(0).forEach((gpu) => gpu.destroy());
  }
}

/**
 * The steps that are needed for the output. A buffer that was planned belongs to the step that binds
 * it first; a step whose buffers nobody reads is dropped, one that has none changes something else.
 */
export function needed(
  steps: readonly RecordedStep[],
  planned: ReadonlySet<PooledBuffer>,
  { inputs, output }: Ends,
): RecordedStep[] {
  const seen = new Set(inputs);
  const made = steps.map((step) => {
    const fresh = bound(step).filter((buffer) => planned.has(buffer) && !seen.has(buffer));
    fresh.forEach((buffer) => seen.add(buffer));
    return fresh;
  });
  const live = new Set([output]);
  const kept = steps.map((step, i) => ({ step, fresh: made[i] })).reverse()
    .filter(({ step, fresh }) => {
      const keep = fresh.length === 0 || fresh.some((buffer) => live.has(buffer));
      if (keep) bound(step).forEach((buffer) => live.add(buffer));
      return keep;
    });
  return kept.reverse().map(({ step }) => step);
}

/** Gives planned buffers memory, but for those that come from outside. */
export function allocate(
  steps: readonly RecordedStep[],
  arena: Arena,
  external: ReadonlySet<PooledBuffer>,
): void {
  const lastUse = new Map<PooledBuffer, number>();
  steps.forEach((step, i) => bound(step).forEach((buffer) => lastUse.set(buffer, i)));
  const free = new Map<number, GPUBuffer[]>();
  const freeOf = (size: number) => {
    let list = free.get(size);
    if (!list) free.set(size, list = []);
    return list;
  };
  const placed = new Set<PooledBuffer>();
  steps.forEach((step, i) => {
    const own = [...new Set(bound(step))]
      .filter((buffer) => arena.planned.has(buffer) && !external.has(buffer));
    for (const buffer of own) {
      if (placed.has(buffer)) continue;
      placed.add(buffer);
      const size = sizeClass(buffer.byteLength);
      buffer.allocate(freeOf(size).pop() ?? arena.make(size, "compiled"));
    }
    for (const buffer of own) {
      if (lastUse.get(buffer) === i) freeOf(sizeClass(buffer.byteLength)).push(buffer.gpu);
    }
  });
}
