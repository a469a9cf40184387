/**
 * Finding a model's graph by running it once and watching what its layers and its backend are asked to compute.
 *
 * @module
 */
import type { Backend, DeviceBuffer, Operand } from "../../backend/backend.ts";
import { checkModule, type Module, nameModules } from "../../nn/module.ts";
import { override } from "../../nn/override.ts";
import { isObserved } from "../../quantization/layers/layer_family.ts";
import { checkTensor, Tensor, tidy } from "../../tensor/tensor.ts";
import { hasForm } from "./layer_forms.ts";
import { type OperationName, OPERATIONS, REFUSED } from "./operations.ts";
import type { Source } from "./source.ts";

/** A layer that was called. */
export interface LayerCall {
  readonly kind: "layer";
  readonly layer: Module;
  /** The layer's full name. */
  readonly name: string;
  readonly inputs: readonly Source[];
  readonly output: Source;
}

/** An operation of the backend between layers. */
export interface OperationCall {
  readonly kind: "operation";
  readonly operation: OperationName;
  /** The full name of the module in whose forward it stands. */
  readonly name: string;
  /** What the operation was given besides tensors. */
  readonly args: readonly unknown[];
  readonly inputs: readonly Source[];
  readonly output: Source;
}

/** What was computed. */
export type Call = LayerCall | OperationCall;

/** What a run did. Constants that it made live until it is disposed. */
export interface Trace extends Disposable {
  readonly backend: Backend;
  readonly inputs: readonly Source[];
  readonly calls: readonly Call[];
  readonly outputs: readonly Source[];
}

/** What is said of a module that computes and has no ONNX form. */
function refusal(where: string, module: Module, why: string): TypeError {
  return new TypeError(`${where}: ${module.displayName} has no ONNX form here: ${why}`);
}

/** The same tensor again, which keeps to itself the layouts that it is asked for. */
function aside(x: Tensor): Tensor {
  return x instanceof Tensor ? x.reshape(x.shape) : x;
}

/** Watches one run of a model. */
class Watch {
  readonly calls: Call[] = [];
  private readonly ids = new Map<DeviceBuffer, number>();
  private values = 0;
  private readonly running: Module[] = [];
  private readonly released: DeviceBuffer[] = [];
  /** How many calls that are watched as a whole are under way. */
  private inside = 0;

  constructor(private readonly where: string, private readonly backend: Backend) {}

  /** Whether a layer is computing, which is watched as a whole. */
  get isInside(): boolean {
    return this.inside > 0;
  }

  /** Where a tensor lies and which value it is. */
  source(t: Tensor): Source {
    const { buffer } = t.operand;
    return { id: this.ids.get(buffer), buffer, shape: t.shape, dtype: t.dtype };
  }

  /** The same of what a backend is given. */
  private operand({ buffer, shape, dtype }: Operand): Source {
    return { id: this.ids.get(buffer), buffer, shape, dtype };
  }

  /** Makes memory a value. */
  define(buffer: DeviceBuffer): number {
    const id = this.values++;
    this.ids.set(buffer, id);
    return id;
  }

  /** A module's forward, watched. */
  forward(module: Module, run: (...inputs: Tensor[]) => Tensor, args: Tensor[]): Tensor {
    if (this.inside > 0) return run(...args);
    if (hasForm(module)) return this.layer(module, run, args);
    if (isObserved(module)) {
      const why = "it is still under observation; call quantize_ first, or give the float model";
      throw refusal(this.where, module, why);
    }
    this.running.push(module);
    const y = run(...args);
    this.running.pop();
    return y;
  }

  private layer(layer: Module, run: (...inputs: Tensor[]) => Tensor, args: Tensor[]): Tensor {
    const given = args.filter((x) => x instanceof Tensor).map((x) => this.source(x));
    const y = this.whole(() => run(...args.map(aside)));
    // Contiguous, and memory that nothing else is.
    const made = this.whole(() =>
      new Tensor(y.backend, y.backend.copy(y.operand.buffer), y.shape, y.dtype)
    );
    y.dispose();
    if (given.every(({ id }) => id === undefined)) return made; // a constant
    const { buffer } = made.operand;
    const output = { id: this.define(buffer), buffer, shape: made.shape, dtype: made.dtype };
    this.calls.push({ kind: "layer", layer, name: layer.fullName, inputs: given, output });
    return made;
  }

  /** Runs what is watched as a whole. */
  private whole<T>(run: () => T): T {
    this.inside++;
    try {
      return run();
    } finally {
      this.inside--;
    }
  }

  /** An operation of the backend, watched. */
  operation(name: OperationName, run: () => DeviceBuffer, args: readonly unknown[]): DeviceBuffer {
    if (this.inside > 0) return run();
    const { operands, rest, shape, dtype } = OPERATIONS[name].read(args);
    const inputs = operands.map((x) => this.operand(x));
    if (inputs.every(({ id }) => id === undefined)) return run();
    const y = this.whole(run);
    const output = { id: this.define(y), buffer: y, shape, dtype };
    const { fullName = "" } = this.running.at(-1) ?? {};
    this.calls.push({
      ...{ kind: "operation", operation: name, name: fullName, args: rest, inputs, output },
    });
    return y;
  }

  /** A copy is the same value. */
  copy(run: () => DeviceBuffer, x: DeviceBuffer): DeviceBuffer {
    const [y, id] = [run(), this.ids.get(x)];
    if (this.inside === 0 && id !== undefined) this.ids.set(y, id);
    return y;
  }

  /** Throws if what a backend is asked for, and has no ONNX form, reads a value. */
  refuse<T>(name: string, run: () => T, args: readonly unknown[]): T {
    if (this.inside > 0) return run();
    const reads = args.flat().some((arg) =>
      typeof arg === "object" && arg !== null && "buffer" in arg &&
      this.ids.has(arg.buffer as DeviceBuffer)
    );
    if (!reads) return this.whole(run);
    const module = this.running.at(-1);
    const why =
      `its forward computes what can be written of layers only (${name}); call a module that does it, ` +
      `such as Conv2d, MaxPool2d, Upsample or LSTM`;
    if (module) throw refusal(this.where, module, why);
    throw new TypeError(`${this.where}: ${why}`);
  }

  /** Memory is given back when nobody asks for constants any more. */
  release(buffer: DeviceBuffer): void {
    this.released.push(buffer);
  }

  /** Gives back what was. */
  dispose(): void {
    for (const buffer of this.released.splice(0)) this.backend.release(buffer);
  }
}

// deno-lint-ignore no-explicit-any -- what a function takes is its own business
type AnyFunction = (...args: any[]) => any;

/** Has a backend's operations watched. */
function watchBackend(watch: Watch, backend: Backend): () => void {
  const methods = backend as unknown as Record<string, AnyFunction>;
  const bound = (name: string) => methods[name].bind(backend);
  const watched = Object.keys(OPERATIONS).map((name) => {
    const run = bound(name);
    return [
      name,
      (...args: unknown[]) => watch.operation(name as OperationName, () => run(...args), args),
    ];
  });
  const refused = REFUSED.map((name) => {
    const run = bound(name);
    return [name, (...args: unknown[]) => watch.refuse(name, () => run(...args), args)];
  });
  const copy = bound("copy");
  return override(backend, {
    ...Object.fromEntries([...watched, ...refused]),
    copy: (x: DeviceBuffer) => watch.copy(() => copy(x), x),
    release: (buffer: DeviceBuffer) => watch.release(buffer),
  });
}

/** Has tensors lie in order between layers, whatever layout these like best. */
function watchLayouts(watch: Watch): () => void {
  const { channelsLast } = Tensor;
  const lies = Object.getOwnPropertyDescriptor(Tensor.prototype, "isChannelsLast")!.get!;
  const inOrder: typeof channelsLast = (backend, buffer, shape, dtype) => {
    const made = channelsLast.call(Tensor, backend, buffer, shape, dtype);
    if (watch.isInside) return made;
    const { operand } = made; // asks for the other order
    return new Tensor(backend, backend.copy(operand.buffer), shape, dtype);
  };
  const undo = [
    override(Tensor, { channelsLast: inOrder }),
    override(Tensor.prototype, {
      get isChannelsLast(): boolean {
        return watch.isInside && lies.call(this);
      },
    }),
  ];
  return () => undo.forEach((back) => back());
}

/** Has the forwards of a model's modules watched. */
function watchModules(watch: Watch, model: Module): () => void {
  const modules = [...new Set(model.namedModules().map(([, module]) => module))];
  const back = modules.map((module) => {
    const run = module.forward.bind(module);
    return override(module, {
      forward: (...args: Tensor[]) => watch.forward(module, run, args),
    });
  });
  return () => back.forEach((undo) => undo());
}

/**
 * What a model computes, in order: the layers that it calls, and between them what its backend is asked for.
 * Memory is what connects them, so a reshape on the way does no harm; while the run is watched no memory is
 * given back, so each buffer has one writer.
 *
 * @param where opens the errors.
 * @param model is run once; it is as before afterwards.
 * @param inputs what it is run on.
 * @throws {TypeError} if something is computed that has no ONNX form; where it stands is named.
 */
export function trace(where: string, model: Module, inputs: readonly Tensor[]): Trace {
  checkModule(where, model);
  for (const x of inputs) checkTensor(where, x);
  if (inputs.length === 0) {
    throw new TypeError(`${where}: there is no example input; give a tensor as forward takes it`);
  }
  nameModules(model);
  const [{ backend }] = inputs;
  const watch = new Watch(where, backend);
  const own = inputs.map((x) =>
    new Tensor(backend, backend.copy(x.operand.buffer), x.shape, x.dtype).keep()
  );
  const given = own.map((x) => ({ ...watch.source(x), id: watch.define(x.operand.buffer) }));
  const undo = [watchModules(watch, model), watchBackend(watch, backend), watchLayouts(watch)];
  let outputs: Source[] = [];
  const dispose = () => {
    own.forEach((x) => x.dispose());
    watch.dispose();
  };
  try {
    tidy(() => {
      outputs = model.forwardAll(...own).map((y) => watch.source(y));
    });
  } catch (error) {
    undo.forEach((back) => back());
    dispose();
    throw error;
  }
  undo.forEach((back) => back());
  return { backend, inputs: given, calls: watch.calls, outputs, [Symbol.dispose]: dispose };
}
