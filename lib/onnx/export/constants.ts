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
import type { Step, Steps } from "./steps.ts";
import { type LayerData, readLayer } from "./layers.ts";
import type { Source } from "./source.ts";

/** All numbers of a graph, on the host. */
export interface Constants {
  /** What layers that multiply rows consist of. */
  readonly layers: ReadonlyMap<Module, LayerData>;
  /** Of parameters, as the file has them. */
  readonly parameters: ReadonlyMap<Parameter, Float32Array>;
  /** Of constants of the run, as the file has them. */
  readonly sources: ReadonlyMap<DeviceBuffer, TensorElements>;
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

/** What all steps read. */
export function inputsOf({ steps, outputs }: Steps): Input[] {
  return [...steps, ...outputs].flatMap(({ nodes, result }: Step) => [
    ...nodes.flatMap(({ inputs }) => inputs),
    result,
  ]);
}

/**
 * Reads all numbers that steps need, each once.
 *
 * @param where opens the errors.
 * @throws {TypeError} if a weight or the quantization of an input has no ONNX form.
 */
export async function readConstants(
  where: string,
  model: Module,
  backend: Backend,
  steps: Steps,
): Promise<Constants> {
  const layers = new Map<Module, LayerData>();
  const parameters = new Map<Parameter, Float32Array>();
  const sources = new Map<DeviceBuffer, TensorElements>();
  for (const { layer } of steps.steps.flatMap(({ nodes }) => nodes)) {
    if (layer && !layers.has(layer)) {
      layers.set(layer, await readLayer(`${where}: ${layer.displayName}`, layer));
    }
  }
  for (const input of inputsOf(steps)) {
    if (input.kind === "parameter" && !parameters.has(input)) {
      const data = await Promise.all(input.tensors.map((t) => t.data()));
      const floats = data.map((values) => Float32Array.from(values));
      parameters.set(input, input.make ? input.make(...floats) : floats[0]);
    }
    const constant = input.kind === "repeated" ||
      input.kind === "source" && input.source.id === undefined;
    if (!constant || sources.has(input.source.buffer)) continue;
    const { source } = input;
    const bytes = await backend.read(source.buffer);
    sources.set(source.buffer, inFile(decode(bytes, source.dtype), source));
  }
  return { layers, parameters, sources, names: namesOf(model) };
}

/** The part of a repeated constant that is repeated; undefined if its parts differ. */
export function repeatedPart(
  elements: TensorElements,
  shape: readonly number[],
  axis: number,
): TensorElements | undefined {
  const values = elements as Float32Array;
  const [outer, n, inner] = [
    numelOf(shape.slice(0, axis)),
    shape[axis],
    numelOf(shape.slice(axis + 1)),
  ];
  const part = values.slice(0, outer * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const first = values[o * n * inner + i];
      for (let r = 1; r < n; r++) {
        if (!Object.is(values[(o * n + r) * inner + i], first)) return undefined;
      }
      part[o * inner + i] = first;
    }
  }
  return part;
}
