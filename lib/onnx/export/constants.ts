/**
 * The numbers of a graph to be, read from where they lie.
 *
 * @module
 */
import type { Backend, DeviceBuffer } from "../../backend/backend.ts";
import type { Module } from "../../nn/module.ts";
import { decode, type TypedArray } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { TensorElements } from "../file/tensor_data.ts";
import { typeOf } from "./element_types.ts";
import type { Input, Parameter } from "./nodes.ts";
import { type OpenConstant, openConstant } from "./open_constant.ts";
import { Differs } from "./open_sizes.ts";
import type { OpenName } from "./size.ts";
import type { Steps } from "./steps.ts";
import { type LayerData, readLayer } from "./layers.ts";
import type { Source } from "./source.ts";

/** All numbers of a graph, on the host. */
export interface Constants {
  /** What layers that multiply rows consist of. */
  readonly layers: ReadonlyMap<Module, LayerData>;
  /** Of parameters, as the file has them. */
  readonly parameters: ReadonlyMap<Parameter, Float32Array>;
  /** Of constants of the run, as the file has them. */
  readonly sources: ReadonlyMap<Source, TensorElements>;
  /** Of those that each run makes anew. */
  readonly opened: ReadonlyMap<Input, OpenConstant>;
  /** What constants are called that are tensors of the model. */
  readonly names: ReadonlyMap<DeviceBuffer, string>;
}

/** What the tensors of a model are called, by their memory. */
function namesOf(model: Module): Map<DeviceBuffer, string> {
  const names = new Map<DeviceBuffer, string>();
  for (const [prefix, module] of model.namedModules()) {
    for (const [field, value] of Object.entries(module)) {
      if (!(value instanceof Tensor) || value.disposed) continue;
      names.set(value.operand.buffer, prefix ? `${prefix}.${field}` : field);
    }
  }
  return names;
}

/** Numbers as a file has them. */
function inFile(values: TypedArray, { dtype, shape }: Source): TensorElements {
  const own = values.subarray(0, numelOf(shape));
  const { name } = typeOf(dtype);
  if (name === "float32") return own as Float32Array;
  return name === "bool" ? Uint8Array.from(own) : BigInt64Array.from(own, BigInt);
}

/** A step reads a constant that each run makes, and that does not follow from the open sizes. */
export class DiffersInConstant extends Differs {}

/** Reads a graph's constants, each memory once. */
class Reader {
  readonly sources = new Map<Source, TensorElements>();
  private readonly memory = new Map<DeviceBuffer, Promise<Uint8Array<ArrayBufferLike>>>();

  constructor(private readonly backend: Backend) {}

  async read(source: Source): Promise<TensorElements> {
    const { buffer, dtype } = source;
    const bytes = this.memory.get(buffer) ?? this.backend.read(buffer);
    this.memory.set(buffer, bytes);
    const elements = inFile(decode(await bytes, dtype), source);
    this.sources.set(source, elements);
    return elements;
  }
}

/** The numbers of a layer's parameter, as the file has them. */
async function readParameter({ tensors, make }: Parameter): Promise<Float32Array> {
  const data = await Promise.all(tensors.map((t) => t.data()));
  const floats = data.map((values) => Float32Array.from(values));
  return make ? make(...floats) : floats[0];
}

/**
 * Reads all numbers that steps need, each once.
 *
 * @param where opens the errors.
 * @param open which sizes are.
 * @throws {TypeError} if a weight or the quantization of an input has no ONNX form.
 * @throws {DiffersInConstant} if a constant that each run makes does not follow from the open sizes.
 */
export async function readConstants(
  where: string,
  model: Module,
  backend: Backend,
  { steps, outputs }: Steps,
  open: readonly OpenName[],
): Promise<Constants> {
  const layers = new Map<Module, LayerData>();
  const parameters = new Map<Parameter, Float32Array>();
  const opened = new Map<Input, OpenConstant>();
  const reader = new Reader(backend);
  const read = async (input: Input, step: string) => {
    if (input.kind === "parameter" && !parameters.has(input)) {
      parameters.set(input, await readParameter(input));
    }
    if (input.kind === "source" && input.source.id === undefined) await reader.read(input.source);
    if (input.kind !== "opened") return;
    const runs = [];
    for (const source of input.sources) {
      runs.push({ elements: await reader.read(source), shape: source.shape });
    }
    const constant = openConstant(runs, input.sizes, open);
    if (!constant) throw new DiffersInConstant(step);
    opened.set(input, constant);
  };
  for (const { name, nodes, result } of [...steps, ...outputs]) {
    for (const { layer, inputs } of nodes) {
      if (layer && !layers.has(layer)) {
        layers.set(layer, await readLayer(`${where}: ${layer.displayName}`, layer));
      }
      for (const input of inputs) await read(input, name);
    }
    await read(result, name);
  }
  return { layers, parameters, opened, sources: reader.sources, names: namesOf(model) };
}
