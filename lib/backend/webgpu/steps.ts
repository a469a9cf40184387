/**
 * What is enqueued, as data: dispatches and copies, which a queue runs at once or a list keeps.
 *
 * @module
 */
import type { Kernel } from "./kernels/kernel.ts";
import type { Tile } from "./kernels/tile.ts";
import type { Pool, PooledBuffer } from "./pool.ts";

/** Other kernels that do the same as a dispatched one. */
export interface Retile {
  /** What is computed; the same for kernels that can be measured once for all. */
  readonly key: string;
  /** The tiles to choose from, the one in use first. */
  readonly candidates: readonly Tile[];
  /** The kernel with a tile, and its workgroups. It takes the same buffers and parameters. */
  readonly build: (tile: Tile) => { readonly kernel: Kernel; readonly workgroups: number };
}

/** A dispatch that is kept. */
export interface RecordedDispatch {
  kernel: Kernel;
  readonly buffers: readonly PooledBuffer[];
  readonly params: readonly number[];
  workgroups: number;
  readonly retile?: Retile;
}

/** A copy that is kept. */
export interface RecordedCopy {
  readonly from: PooledBuffer;
  readonly to: PooledBuffer;
  /** In bytes. */
  readonly size: number;
}

/** What would have been enqueued. */
export type RecordedStep = RecordedDispatch | RecordedCopy;

/** The buffers of a step. */
export function bound(step: RecordedStep): readonly PooledBuffer[] {
  return "from" in step ? [step.from, step.to] : step.buffers;
}

/** What recorded steps start from and end in. */
export interface Ends {
  readonly inputs: readonly PooledBuffer[];
  readonly outputs: readonly PooledBuffer[];
}

/** Takes steps in order. */
export interface StepSink {
  /** Where buffers for the steps come from. */
  readonly pool: Pool;
  /** Whether the steps run many times, which makes a kernel worth compiling for longer. */
  readonly repeated: boolean;
  /**
   * A kernel over `workgroups`; nothing if there are none. Where it is kept, another may take its
   * place, as `retile` says.
   */
  dispatch(
    kernel: Kernel,
    buffers: readonly PooledBuffer[],
    params: readonly number[],
    workgroups: number,
    retile?: Retile,
  ): void;
  /** The contents of a buffer into another. */
  copy(from: PooledBuffer, to: PooledBuffer): void;
}

/** Bytes that copying a buffer takes: whole words. */
export function copiedBytes({ byteLength }: PooledBuffer): number {
  return Math.ceil(byteLength / 4) * 4;
}

/** Keeps steps, and whatever else is put between them. */
export class StepList<Other = never> implements StepSink {
  readonly repeated = true;
  readonly items: (RecordedStep | Other)[] = [];

  constructor(readonly pool: Pool) {}

  dispatch(
    kernel: Kernel,
    buffers: readonly PooledBuffer[],
    params: readonly number[],
    workgroups: number,
    retile?: Retile,
  ): void {
    if (workgroups > 0) this.items.push({ kernel, buffers, params, workgroups, retile });
  }

  copy(from: PooledBuffer, to: PooledBuffer): void {
    const size = copiedBytes(from);
    if (size > 0) this.items.push({ from, to, size });
  }
}
