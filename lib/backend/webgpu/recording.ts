/**
 * Forwards that are enqueued again and again: what one would enqueue is kept as steps over buffers
 * that are only planned; steps that nothing needs are dropped, memory is shared between buffers that are
 * not needed at once, and a replay binds the caller's own input and a fresh output.
 *
 * @module
 */
import { checkFits, makeBuffer, type Pool, PooledBuffer, sizeClass } from "./pool.ts";
import type { Tile } from "./kernels/tile.ts";
import type { Kernel } from "./kernels/kernel.ts";
import type { Enqueued, Runtime } from "./runtime.ts";

/** Other kernels that do the same as a recorded one. */
export interface Retile {
  /** What is computed; the same for kernels that can be measured once for all. */
  readonly key: string;
  /** The tiles to choose from, the one in use first. */
  readonly candidates: readonly Tile[];
  /** The kernel with a tile, and its workgroups. It takes the same buffers and parameters. */
  readonly build: (tile: Tile) => { readonly kernel: Kernel; readonly workgroups: number };
}

/** A dispatch that would have been enqueued. */
export interface RecordedDispatch {
  kernel: Kernel;
  readonly buffers: readonly PooledBuffer[];
  readonly params: readonly number[];
  workgroups: number;
  readonly retile?: Retile;
}

/** What would have been enqueued. */
export type RecordedStep =
  | RecordedDispatch
  | { readonly from: PooledBuffer; readonly to: PooledBuffer; readonly size: number };

/** Hands out buffers without memory; only those that the host writes get some at once. */
class Arena implements Pool {
  readonly planned = new Set<PooledBuffer>();
  readonly made: GPUBuffer[] = [];

  constructor(private readonly device: GPUDevice) {}

  acquire(byteLength: number, label: string, constant = false): PooledBuffer {
    checkFits(this.device, byteLength, label);
    const gpu = constant ? this.make(sizeClass(byteLength), label) : undefined;
    const buffer = new PooledBuffer(gpu, byteLength, false, label, this);
    if (!constant) this.planned.add(buffer);
    return buffer;
  }

  make(size: number, label: string): GPUBuffer {
    const gpu = makeBuffer(this.device, size, label);
    this.made.push(gpu);
    return gpu;
  }

  /** Nothing: a buffer's life is seen from the steps. */
  release(): void {}
}

/** The buffers of a step. */
const bound = (step: RecordedStep): readonly PooledBuffer[] =>
  "from" in step ? [step.from, step.to] : step.buffers;

/**
 * The steps that are needed for `output`. A buffer that was planned here belongs to the step that binds it
 * first; a step whose buffers nobody reads is dropped, one that has none changes something else.
 */
function needed(
  steps: readonly RecordedStep[],
  planned: ReadonlySet<PooledBuffer>,
  inputs: readonly PooledBuffer[],
  output: PooledBuffer,
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

/** Gives planned buffers memory; those whose lives do not meet may share it. */
function allocate(
  steps: readonly RecordedStep[],
  arena: Arena,
  external: ReadonlySet<PooledBuffer>,
): void {
  const lastUse = new Map<PooledBuffer, number>();
  steps.forEach((step, i) => bound(step).forEach((buffer) => lastUse.set(buffer, i)));
  const free = new Map<number, GPUBuffer[]>();
  const placed = new Set(external);
  steps.forEach((step, i) => {
    const buffers = new Set(bound(step));
    for (const buffer of buffers) {
      if (!arena.planned.has(buffer) || placed.has(buffer)) continue;
      placed.add(buffer);
      const size = sizeClass(buffer.byteLength);
      buffer.allocate(free.get(size)?.pop() ?? arena.make(size, "compiled"));
    }
    for (const buffer of buffers) {
      if (!arena.planned.has(buffer) || external.has(buffer) || lastUse.get(buffer) !== i) continue;
      const size = sizeClass(buffer.byteLength);
      free.set(size, [...free.get(size) ?? [], buffer.gpu]);
    }
  });
}

/** Steps that can be enqueued again, with other inputs each time. */
export class Recording {
  private readonly uniforms: GPUBuffer[] = [];
  private readonly ready: ((external: ReadonlyMap<PooledBuffer, PooledBuffer>) => Enqueued)[] = [];
  private readonly external: ReadonlySet<PooledBuffer>;
  private readonly copied: PooledBuffer | undefined;

  /**
   * @param runtime where it is enqueued.
   * @param arena what its buffers come from.
   * @param steps in order.
   * @param inputs planned; a replay puts the caller's in their place.
   * @param output what a replay gives.
   */
  constructor(
    private readonly runtime: Runtime,
    private readonly arena: Arena,
    readonly steps: readonly RecordedStep[],
    private readonly inputs: readonly PooledBuffer[],
    private readonly output: PooledBuffer,
  ) {
    const made = arena.planned.has(output) && !inputs.includes(output);
    this.copied = made ? undefined : output;
    this.external = new Set(made ? [...inputs, output] : inputs);
    allocate(steps, arena, this.external);
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
            kernel.key,
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

  /** Enqueues the steps and gives the output, in a buffer of the runtime's own. */
  replay(inputs: readonly PooledBuffer[]): PooledBuffer {
    const { runtime, output } = this;
    const y = runtime.buffers.acquire(output.byteLength, "compiled output");
    const external = this.outside(inputs, y);
    try {
      for (const work of this.ready) runtime.enqueue(work(external));
      if (this.copied) runtime.copy(external.get(this.copied) ?? this.copied, y);
    } catch (error) {
      runtime.buffers.release(y);
      throw error;
    }
    return y;
  }

  private outside(inputs: readonly PooledBuffer[], y: PooledBuffer) {
    const external = new Map(this.inputs.map((planned, i) => [planned, inputs[i]]));
    if (!this.copied) external.set(this.output, y);
    return external;
  }

  /** The buffers of a step when `inputs` are given and `y` is written, to measure it. */
  buffersOf(
    step: RecordedStep,
    inputs: readonly PooledBuffer[],
    y: PooledBuffer,
  ): readonly PooledBuffer[] {
    const external = this.outside(inputs, y);
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

  /** The bytes that a replay writes. */
  get outputBytes(): number {
    return this.output.byteLength;
  }

  /** Frees its buffers. */
  dispose(): void {
    this.runtime.submit();
    [...this.arena.made.splice(0), ...this.uniforms.splice(0)].forEach((gpu) => gpu.destroy());
    this.ready.splice(0);
  }
}

/**
 * What is recorded now. The operations that may be done together with others are numbered in the order
 * of their calls; `uses` says, from a first run, how many steps need the result of each.
 */
export class Recorder {
  readonly steps: RecordedStep[] = [];
  readonly arena: Arena;
  private count = 0;
  private readonly results: PooledBuffer[] = [];

  constructor(readonly device: GPUDevice, private readonly uses: readonly number[] | undefined) {
    this.arena = new Arena(device);
  }

  /** The next operation's number. */
  next(): number {
    return this.count++;
  }

  /** Says where an operation's result is. */
  note(operation: number, result: PooledBuffer): void {
    this.results[operation] = result;
  }

  /** Whether nothing but the next step needs an operation's result. */
  onlyOne(operation: number): boolean {
    return this.uses?.[operation] === 1;
  }

  /** How many steps need each result; being the output counts as one. */
  usesOf(output: PooledBuffer): number[] {
    const reads = new Map([[output, 1]]);
    const made = new Set<PooledBuffer>();
    for (const step of this.steps) {
      for (const buffer of new Set(bound(step))) {
        if (made.has(buffer)) reads.set(buffer, (reads.get(buffer) ?? 0) + 1);
        else made.add(buffer);
      }
    }
    return this.results.map((buffer) => reads.get(buffer) ?? 0);
  }

  /** Frees what the host wrote. */
  dispose(): void {
    this.arena.made.splice(0).forEach((gpu) => gpu.destroy());
  }
}

/** What a recorded run starts from and ends in. */
export interface Ends {
  readonly inputs: readonly PooledBuffer[];
  readonly output: PooledBuffer;
}

/** Runs `run` twice, to see what is used and to record it, and makes the steps ready to replay. */
export function record(runtime: Runtime, run: (recorder: Recorder) => Ends): Recording {
  const recorded = (uses: readonly number[] | undefined) => {
    const recorder = new Recorder(runtime.device, uses);
    try {
      return { recorder, ends: run(recorder) };
    } catch (error) {
      recorder.dispose();
      throw error;
    }
  };
  const first = recorded(undefined);
  const uses = first.recorder.usesOf(first.ends.output);
  first.recorder.dispose();
  const { recorder: { arena, steps }, ends: { inputs, output } } = recorded(uses);
  return new Recording(
    runtime,
    arena,
    needed(steps, arena.planned, inputs, output),
    inputs,
    output,
  );
}
