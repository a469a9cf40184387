/**
 * Forwards that are enqueued again and again: what one would enqueue is recorded, joined where one kernel
 * can do several operations, and prepared; a replay binds the caller's own input and a fresh output.
 *
 * @module
 */
import type { WebGpuBackend } from "../backend/webgpu/backend.ts";
import { type TableMemory, tabulated } from "../backend/webgpu/byte_tables.ts";
import { byConstancy } from "../backend/webgpu/constant_steps.ts";
import { fuse, isOperation, type Operation } from "../backend/webgpu/fusion.ts";
import type { Tile } from "../backend/webgpu/kernels/tile.ts";
import { lower } from "../backend/webgpu/lower.ts";
import { allocate, Arena, needed, type PlannedMemory } from "../backend/webgpu/plan_memory.ts";
import type { Pool, PooledBuffer } from "../backend/webgpu/pool.ts";
import type { Enqueued, Runtime } from "../backend/webgpu/runtime.ts";
import { int32 } from "../numbers/dtype.ts";
import {
  bound,
  type Ends,
  type RecordedStep,
  type Retile,
  StepList,
} from "../backend/webgpu/steps.ts";

/** Steps that can be enqueued again, with other inputs each time. */
export class Recording {
  private readonly uniforms: GPUBuffer[] = [];
  private readonly ready: ((external: ReadonlyMap<PooledBuffer, PooledBuffer>) => Enqueued)[] = [];
  private readonly inputs: readonly PooledBuffer[];
  private readonly outputs: readonly PooledBuffer[];
  private readonly external: ReadonlySet<PooledBuffer>;
  /** The outputs that no step makes, or that are given twice: a replay copies them. */
  private readonly copied: ReadonlySet<number>;
  /** What the buffers between its steps take. */
  readonly memory: PlannedMemory;

  /**
   * @param runtime where it is enqueued.
   * @param arena what its buffers come from.
   * @param steps in order.
   * @param ends planned; a replay puts the caller's inputs, and its own outputs, in their place.
   */
  constructor(
    private readonly runtime: Runtime,
    private readonly arena: Arena,
    readonly steps: readonly RecordedStep[],
    { inputs, outputs }: Ends,
  ) {
    this.inputs = inputs;
    this.outputs = outputs;
    const made = (output: PooledBuffer, i: number) =>
      arena.planned.has(output) && !inputs.includes(output) && outputs.indexOf(output) === i;
    this.copied = new Set(outputs.keys().filter((i) => !made(outputs[i], i)));
    this.external = new Set([...inputs, ...outputs.filter(made)]);
    this.memory = allocate(steps, arena, this.external);
    this.prepare();
  }

  /** Binds what can be bound before a replay. */
  private prepare(): void {
    this.ready.splice(0);
    for (const step of this.steps) {
      const outside = bound(step).some((buffer) => this.external.has(buffer));
      if ("from" in step) {
        const { from, to, size } = step;
        this.ready.push((external) => ({
          from: (external.get(from) ?? from).gpu,
          to: (external.get(to) ?? to).gpu,
          size,
        }));
        continue;
      }
      const { kernel, buffers, params, workgroups } = step;
      const pipeline = this.runtime.pipeline(kernel);
      if (outside) {
        this.ready.push((external) => ({
          pipeline,
          group: this.runtime.bindGroup(
            pipeline,
            buffers.map((buffer) => external.get(buffer) ?? buffer),
            params,
          ),
          workgroups,
        }));
      } else {
        const uniform = this.runtime.makeUniform(params);
        this.uniforms.push(uniform);
        const group = this.runtime.bind(pipeline, buffers.map(({ gpu }) => gpu), uniform);
        const work: Enqueued = { pipeline, group, workgroups };
        this.ready.push(() => work);
      }
    }
  }

  /** Enqueues the steps and gives the outputs, in buffers of the runtime's own. */
  replay(inputs: readonly PooledBuffer[]): PooledBuffer[] {
    const { runtime } = this;
    const ys = this.acquireOutputs();
    try {
      const external = this.outside(inputs, ys);
      for (const work of this.ready) runtime.enqueue(work(external));
      for (const i of this.copied) {
        const from = this.outputs[i];
        runtime.copy(external.get(from) ?? from, ys[i]);
      }
    } catch (error) {
      ys.forEach((y) => runtime.pool.release(y));
      throw error;
    }
    return ys;
  }

  /** Buffers that a replay writes its outputs to, whatever they hold. */
  acquireOutputs(): PooledBuffer[] {
    const { pool } = this.runtime;
    const ys: PooledBuffer[] = [];
    try {
      for (const { byteLength } of this.outputs) {
        ys.push(pool.acquire(byteLength, "compiled output"));
      }
    } catch (error) {
      ys.forEach((y) => pool.release(y));
      throw error;
    }
    return ys;
  }

  private outside(inputs: readonly PooledBuffer[], ys: readonly PooledBuffer[]) {
    const external = new Map(this.inputs.map((planned, i) => [planned, inputs[i]]));
    this.outputs.forEach((output, i) => this.copied.has(i) || external.set(output, ys[i]));
    return external;
  }

  /** The buffers of a step when `inputs` are given and `ys` are written, to measure it. */
  buffersOf(
    step: RecordedStep,
    inputs: readonly PooledBuffer[],
    ys: readonly PooledBuffer[],
  ): readonly PooledBuffer[] {
    const external = this.outside(inputs, ys);
    return bound(step).map((buffer) => external.get(buffer) ?? buffer);
  }

  /** Puts other tiles in place; a step keeps its own where `choose` gives none. */
  retile(choose: (retile: Retile) => Tile | undefined): void {
    for (const step of this.steps) {
      if ("from" in step || !step.retile) continue;
      const tile = choose(step.retile);
      if (tile) Object.assign(step, step.retile.build(tile));
    }
    this.prepare();
  }

  /** Frees its buffers. */
  dispose(): void {
    this.runtime.submit();
    this.arena.dispose();
    this.uniforms.splice(0).forEach((gpu) => gpu.destroy());
    this.ready.splice(0);
  }
}

/** Runs a step whose results are kept as long as the recording. */
function enqueueOnce(step: RecordedStep, runtime: Runtime, arena: Arena): void {
  for (const buffer of bound(step)) arena.settle(buffer);
  if ("from" in step) runtime.copy(step.from, step.to);
  else runtime.dispatch(step.kernel, step.buffers, step.params, step.workgroups);
}

function tableMemory(runtime: Runtime, arena: Arena): TableMemory {
  let all: PooledBuffer | undefined;
  return {
    isConstant: (buffer) => !arena.planned.has(buffer as PooledBuffer),
    allBytes: () => all ??= runtime.upload(allBytes(), "all bytes", arena),
    table: () => arena.acquire(256 * int32.itemSize, "table"),
  };
}

const allBytes = () => Uint8Array.from({ length: 256 }, (_, i) => i);

/**
 * Records what `run` would enqueue, joins its operations and makes the steps ready to replay.
 *
 * @param backend what `run` computes on.
 * @param run is called once, with where the inputs' buffers come from.
 */
export function record(backend: WebGpuBackend, run: (pool: Pool) => Ends): Recording {
  const { runtime, subgroupSize } = backend;
  const arena = new Arena(runtime.device);
  try {
    const recorded = new StepList<Operation>(arena);
    const ends = backend.recordInto(recorded, () => run(arena));
    const sink = new StepList(arena);
    const memory = tableMemory(runtime, arena);
    const joined = tabulated(fuse(recorded.items, ends.outputs), memory);
    for (const item of fuse(joined, ends.outputs)) {
      if (isOperation(item)) lower(item, { sink, subgroupSize });
      else sink.items.push(item);
    }
    const steps = needed(sink.items, arena.planned, ends);
    const { constant, others } = byConstancy(steps, arena.planned, ends);
    for (const step of constant) enqueueOnce(step, runtime, arena);
    return new Recording(runtime, arena, others, ends);
  } catch (error) {
    arena.dispose();
    throw error;
  }
}
