/**
 * Memory for recorded steps: buffers are planned while they are recorded, steps that nothing needs are
 * dropped, and what is left shares memory where lives do not meet.
 *
 * @module
 */
import { checkFits, makeBuffer, type Pool, PooledBuffer, sizeClass } from "./pool.ts";
import { largestLiveSet, type Life, shareMemory } from "./share_memory.ts";
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

  /** Gives a planned buffer memory of its own, which nothing else shares. */
  settle(buffer: PooledBuffer): void {
    if (this.planned.delete(buffer)) {
      buffer.allocate(this.make(sizeClass(buffer.byteLength), buffer.label));
    }
  }

  /** Frees all memory. */
  dispose(): void {
    this.made.splice(0).forEach((gpu) => gpu.destroy());
  }
}

/**
 * The steps that are needed for the outputs. A buffer that was planned belongs to the step that binds
 * it first; a step whose buffers nobody reads is dropped, one that has none changes something else.
 */
export function needed(
  steps: readonly RecordedStep[],
  planned: ReadonlySet<PooledBuffer>,
  { inputs, outputs }: Ends,
): RecordedStep[] {
  const seen = new Set(inputs);
  const made = steps.map((step) => {
    const fresh = bound(step).filter((buffer) => planned.has(buffer) && !seen.has(buffer));
    fresh.forEach((buffer) => seen.add(buffer));
    return fresh;
  });
  const live = new Set(outputs);
  const kept = steps.map((step, i) => ({ step, fresh: made[i] })).reverse()
    .filter(({ step, fresh }) => {
      const keep = fresh.length === 0 || fresh.some((buffer) => live.has(buffer));
      if (keep) bound(step).forEach((buffer) => live.add(buffer));
      return keep;
    });
  return kept.reverse().map(({ step }) => step);
}

/** The planned buffers of steps but for those that come from outside, and when each is in use. */
export function livesOf(
  steps: readonly RecordedStep[],
  planned: ReadonlySet<PooledBuffer>,
  external: ReadonlySet<PooledBuffer>,
): Map<PooledBuffer, Life> {
  const lives = new Map<PooledBuffer, Life>();
  steps.forEach((step, i) => {
    for (const buffer of bound(step)) {
      if (!planned.has(buffer) || external.has(buffer)) continue;
      const { first = i, size = sizeClass(buffer.byteLength) } = lives.get(buffer) ?? {};
      lives.set(buffer, { size, first, last: i });
    }
  });
  return lives;
}

/** What planned buffers take. */
export interface PlannedMemory {
  /** The bytes of all allocations. */
  readonly bytes: number;
  /** The most bytes that are in use at one step; no plan takes less. */
  readonly largestLiveSet: number;
}

/** Gives planned buffers memory, but for those that come from outside. */
export function allocate(
  steps: readonly RecordedStep[],
  arena: Arena,
  external: ReadonlySet<PooledBuffer>,
): PlannedMemory {
  const lives = livesOf(steps, arena.planned, external);
  const { places, sizes } = shareMemory([...lives.values()]);
  const made = sizes.map((size) => arena.make(size, "compiled"));
  [...lives.keys()].forEach((buffer, i) => buffer.allocate(made[places[i]]));
  return {
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    largestLiveSet: largestLiveSet([...lives.values()]),
  };
}
