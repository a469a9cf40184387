/**
 * Which module's output goes into which other, found by watching one run.
 *
 * @module
 */
import type { DeviceBuffer } from "../../backend/backend.ts";
import type { Module } from "../../nn/module.ts";
import { ReLU } from "../../nn/relu.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { tap, view } from "./layers.ts";

/** What holds a tensor's elements, in the order in which they were made. */
function memoryOf(t: Tensor): DeviceBuffer {
  if (t.isQuantized) {
    using bytes = t.intRepr();
    return memoryOf(bytes);
  }
  return t.isChannelsLast ? t.channelsLast.buffer : t.operand.buffer;
}

/** One call of a module without children: the memory that it read, and the memory that it wrote. */
interface ModuleCall {
  readonly module: Module;
  readonly inputs: readonly DeviceBuffer[];
}

/**
 * The data flow of one run. Memory is what connects modules, so reshaping on the way does no harm;
 * while the run is watched, no memory is given back, so each buffer has one writer.
 */
export class DataFlow implements Disposable {
  private readonly writers = new Map<DeviceBuffer, ModuleCall>();
  private readonly made: ModuleCall[] = [];
  private readonly held: Tensor[] = [];
  private watching = true;

  /**
   * Watches a copy of a model, from now until {@linkcode DataFlow.stop}.
   *
   * @param passes which modules are looked through: by default ReLUs.
   */
  constructor(
    model: Module,
    private readonly passes: (module: Module) => boolean = (module) => module instanceof ReLU,
  ) {
    for (const module of new Set(model.namedModules().map(([, m]) => m))) {
      tap(module, (inputs, output) => {
        if (!this.watching) return;
        const hold = (t: Tensor) => {
          const held = view(t);
          this.held.push(held);
          return memoryOf(held);
        };
        const use = { module, inputs: inputs.map(hold) };
        const buffer = hold(output);
        if (module.namedChildren().length === 0) this.made.push(use);
        // The innermost module comes first; one that returns its input writes nothing.
        if (!this.writers.has(buffer) && !use.inputs.includes(buffer)) {
          this.writers.set(buffer, use);
        }
      });
    }
  }

  /** Watches no longer, and lets go of the memory. */
  stop(): void {
    this.watching = false;
    this.held.forEach((t) => t.dispose());
  }

  /** How many times a module ran. */
  calls(module: Module): number {
    return this.made.filter((use) => use.module === module).length;
  }

  /** The modules whose output a module got, through those that are looked through; null stands for what no module made. */
  sources(module: Module): Set<Module | null> {
    const found = new Set<Module | null>();
    for (const use of this.made.filter((use) => use.module === module)) {
      found.add(this.writerOf(use.inputs[0]));
    }
    return found;
  }

  private writerOf(buffer: DeviceBuffer): Module | null {
    const writer = this.writers.get(buffer);
    if (!writer) return null;
    return this.passes(writer.module) ? this.writerOf(writer.inputs[0]) : writer.module;
  }

  /** Whether a tensor is what a module made, perhaps through others. */
  writes(module: Module, tensor: Tensor): boolean {
    return this.writerOf(memoryOf(tensor)) === module;
  }

  /** The modules that read a module's output, through those that are looked through. */
  readers(module: Module): Set<Module> {
    const buffers = new Set(
      [...this.writers].filter(([, use]) => use.module === module).map(([buffer]) => buffer),
    );
    const readers = new Set<Module>();
    for (const use of this.made) {
      if (!use.inputs.some((buffer) => buffers.has(buffer))) continue;
      if (this.passes(use.module)) {
        for (const [buffer, writer] of this.writers) if (writer === use) buffers.add(buffer);
      } else readers.add(use.module);
    }
    return readers;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
