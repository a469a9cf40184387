/**
 * Finding a model's graph by running it once and watching which layer's output another one reads.
 *
 * @module
 */
import type { DeviceBuffer } from "../../backend/backend.ts";
import { Linear } from "../../nn/linear.ts";
import { checkModule, type Module, nameModules } from "../../nn/module.ts";
import { ReLU } from "../../nn/relu.ts";
import { layerClasses } from "../../quantization/layers/layer_kinds.ts";
import { isObserved } from "../../quantization/layers/layer_family.ts";
import { checkTensor, type Tensor, tidy } from "../../tensor/tensor.ts";

/** A layer that has an ONNX form: a `Linear`, a `ReLU` or a quantized layer. */
export type Layer = Module;

/** A tensor that was seen: its number and the shape that it had there. */
export interface Value {
  /** Inputs are numbered first, then the outputs of the steps. */
  readonly id: number;
  readonly shape: readonly number[];
}

/** One call of a layer. */
export interface LayerCall {
  readonly layer: Layer;
  /** The layer's full name. */
  readonly name: string;
  readonly input: Value;
  readonly output: Value;
}

/** What a run did. */
export interface Trace {
  readonly inputs: readonly Value[];
  readonly steps: readonly LayerCall[];
  readonly output: Value;
}

/** The classes with an ONNX form; derived ones too, as long as they compute the same. */
function layerTypes() {
  return [...new Set([Linear, ...layerClasses(), ReLU])];
}

/** What is said of a module that computes and has no ONNX form. */
function refusal(where: string, module: Module, why: string): TypeError {
  return new TypeError(`${where}: ${module.displayName} has no ONNX form here: ${why}`);
}

/**
 * The layers that a model calls, in order. Memory is what connects them, so a reshape on the way
 * does no harm; while the run is watched no memory is given back, so each buffer has one writer.
 *
 * @param where opens the errors.
 * @param model is run once; it is as before afterwards.
 * @param inputs what it is run on.
 * @throws {TypeError} if something computes that is not a layer with an ONNX form; it is named.
 */
export function trace(where: string, model: Module, inputs: readonly Tensor[]): Trace {
  checkModule(where, model);
  for (const x of inputs) checkTensor(where, x);
  nameModules(model);
  const ids = new Map<DeviceBuffer, number>();
  const held: Tensor[] = [];
  const steps: LayerCall[] = [];
  const running: Module[] = [];

  const see = (t: Tensor, id?: number): Value | undefined => {
    const { buffer } = t.operand;
    if (id !== undefined) {
      held.push(t.reshape(...t.shape).keep());
      ids.set(buffer, id);
    }
    const known = ids.get(buffer);
    return known === undefined ? undefined : { id: known, shape: t.shape };
  };
  const unknown = (module: Module, what: string) =>
    refusal(
      where,
      module,
      `${what} a tensor that none of its layers made; make each operation in its forward a module of its ` +
        `own, such as ReLU`,
    );
  const callLayer = (layer: Layer, run: (...inputs: Tensor[]) => Tensor, args: Tensor[]) => {
    const input = see(args[0]);
    if (!input) throw unknown(running.at(-1)!, `${layer.displayName} reads`);
    const y = run(...args);
    const output = see(y, inputs.length + steps.length)!;
    steps.push({ layer, name: layer.fullName, input, output });
    return y;
  };
  const callParent = (module: Module, run: (...inputs: Tensor[]) => Tensor, args: Tensor[]) => {
    if (isObserved(module)) {
      const why = "it is still under observation; call quantize_ first, or give the float model";
      throw refusal(where, module, why);
    }
    running.push(module);
    const y = run(...args);
    if (!see(y)) {
      if (module.namedChildren().length) throw unknown(module, "it returns");
      const names = types.map(({ name }) => name).join(", ");
      throw refusal(where, module, `supported are ${names} and modules that compose them`);
    }
    running.pop();
    return y;
  };

  const types = layerTypes();
  const modules = [...new Set(model.namedModules().map(([, module]) => module))];
  const own = modules.map((module) => Object.getOwnPropertyDescriptor(module, "forward"));
  for (const module of modules) {
    const run = module.forward.bind(module);
    const isLayer = types.some((type) => module.forward === type.prototype.forward);
    Object.defineProperty(module, "forward", {
      configurable: true,
      value: (...args: Tensor[]) =>
        isLayer ? callLayer(module, run, args) : callParent(module, run, args),
    });
  }
  try {
    const values = inputs.map((t, id) => see(t, id)!);
    let output: Value | undefined;
    tidy(() => {
      output = see(model.forward(...inputs));
    });
    return { inputs: values, steps, output: output! };
  } finally {
    modules.forEach((module, i) => {
      delete (module as { forward?: unknown }).forward;
      if (own[i]) Object.defineProperty(module, "forward", own[i]);
    });
    held.forEach((t) => t.dispose());
  }
}
