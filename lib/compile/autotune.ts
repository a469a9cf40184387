/**
 * Choosing tiles by measuring them, and whether bytes are multiplied as they are or as floats.
 *
 * @module
 */
import type { WebGpuBackend } from "../backend/webgpu/backend.ts";
import type { PooledBuffer } from "../backend/webgpu/pool.ts";
import type { Runtime } from "../backend/webgpu/runtime.ts";
import type { RecordedDispatch } from "../backend/webgpu/steps.ts";
import type { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AutotuneCache } from "./autotune_cache.ts";
import { DispatchTimer } from "./dispatch_timer.ts";
import { firstOf, type Program } from "./program.ts";
import type { Recording } from "./recording.ts";
import { type ForwardPlan, WebGpuProgram } from "./webgpu.ts";

/** Turns that each candidate gets. */
const ROUNDS = 7;
/** Milliseconds that a turn should take, so that what starts and ends it does not count. */
const TURN_MS = 4;
/** How much faster than the rule's tile another must be: less is noise. */
const WORTHWHILE = 0.97;

/** Says how long a step takes with each of its candidates, in milliseconds. */
export interface TileClock extends Disposable {
  /** The step binds these buffers. */
  times(step: RecordedDispatch, buffers: readonly PooledBuffer[]): Promise<number[]>;
}

/** A model whose tiles are measured for each new shape of the inputs. */
export class AutotunedProgram implements Program {
  /** Records and replays. */
  readonly program: WebGpuProgram;
  private readonly tuned = new WeakMap<ForwardPlan, Promise<void>>();
  private cache: AutotuneCache | undefined;
  /** Ends when what was begun is done: two measurements at once would disturb each other. */
  private queue: Promise<unknown> = Promise.resolve();

  /**
   * Measures nothing yet.
   *
   * @param clockOf what measures on a device; by default the device's own clock.
   */
  constructor(
    model: Module,
    private readonly cacheFile?: string | URL | null,
    private readonly clockOf: (runtime: Runtime) => TileClock = (runtime) =>
      new DeviceTileClock(runtime),
  ) {
    this.program = new WebGpuProgram(model);
  }

  /** The model's outputs; waits for the measurements of a new shape. */
  async forwardAll(...inputs: Tensor[]): Promise<Tensor[]> {
    let plan = this.program.plan(inputs);
    for (;;) {
      let tuning = this.tuned.get(plan);
      if (!tuning) this.tuned.set(plan, tuning = this.enqueue(plan, inputs));
      await tuning;
      // A weight may have been replaced meanwhile.
      const now = this.program.plan(inputs);
      if (now === plan) return this.program.run(plan, inputs);
      plan = now;
    }
  }

  /** The model's first output, likewise. */
  async forward(...inputs: Tensor[]): Promise<Tensor> {
    return firstOf(await this.forwardAll(...inputs));
  }

  private enqueue(plan: ForwardPlan, inputs: readonly Tensor[]): Promise<void> {
    const backend = inputs[0].backend as WebGpuBackend;
    this.cache ??= AutotuneCache.open(backend.description, this.cacheFile);
    const { cache, clockOf } = this;
    const { runtime } = backend;
    const tuning = this.queue.then(() => autotune(runtime, plan.recording, inputs, cache, clockOf));
    this.queue = tuning.catch(() => {});
    return tuning;
  }

  /** Frees the recordings. */
  dispose(): void {
    this.program.dispose();
  }
}

/** Measures what the cache does not know, and puts the fastest tiles in place. */
async function autotune(
  runtime: Runtime,
  recording: Recording,
  inputs: readonly Tensor[],
  cache: AutotuneCache,
  clockOf: (runtime: Runtime) => TileClock,
): Promise<void> {
  const products = recording.steps.filter((step): step is RecordedDispatch =>
    "retile" in step && step.retile !== undefined
  );
  const unknown = products.filter(({ retile }) => {
    const known = cache.get(retile!.key);
    return !retile!.candidates.some((tile) => tile.name === known);
  });
  if (unknown.length > 0) {
    const buffers = inputs.map((x) => x.operand.buffer as PooledBuffer);
    const ys = recording.acquireOutputs();
    using clock = clockOf(runtime);
    try {
      const measured = new Set<string>();
      for (const step of unknown) {
        const { key, candidates } = step.retile!;
        if (measured.has(key)) continue;
        measured.add(key);
        const bound = recording.buffersOf(step, buffers, ys);
        const times = await clock.times(step, bound);
        const best = times.indexOf(Math.min(...times));
        const worth = times[best] < times[0] * WORTHWHILE;
        cache.set(key, candidates[worth ? best : 0].name);
      }
    } finally {
      ys.forEach((y) => runtime.pool.release(y));
    }
    await cache.save();
  }
  recording.retile(({ key, candidates }) => {
    const name = cache.get(key);
    return candidates.find((tile) => tile.name === name);
  });
}

/** Runs candidates in turns; a time is the median of them. */
class DeviceTileClock implements TileClock {
  private readonly timer: DispatchTimer;

  constructor(private readonly runtime: Runtime) {
    this.timer = new DispatchTimer(runtime);
  }

  async times(step: RecordedDispatch, buffers: readonly PooledBuffer[]): Promise<number[]> {
    const { runtime, timer } = this;
    const { candidates, build } = step.retile!;
    const runs = candidates.map((tile) => {
      const { kernel, workgroups } = build(tile);
      return () => runtime.dispatch(kernel, buffers, step.params, workgroups);
    });
    const repeats: number[] = [];
    for (const run of runs) {
      await timer.measure(run, 1); // compiles
      const once = await timer.measure(run, 3);
      repeats.push(Math.max(1, Math.min(200, Math.round(TURN_MS / once))));
    }
    const turns: number[][] = runs.map(() => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, run] of runs.entries()) turns[i].push(await timer.measure(run, repeats[i]));
    }
    return turns.map((times) => times.sort((a, b) => a - b)[ROUNDS >> 1]);
  }

  [Symbol.dispose](): void {
    this.timer.dispose();
  }
}
