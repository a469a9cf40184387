/**
 * A parsed file of a quantized model, held against the model that it is to go into.
 *
 * @module
 */
import { StateError } from "../../nn/state_error.ts";
import type { Device } from "../../backend/backend.ts";
import type { Linear } from "../../nn/linear.ts";
import { isLinearWeight, type Module } from "../../nn/module.ts";
import { isLinear } from "../../nn/replace.ts";
import { formatNameOf } from "../../nn/state_file.ts";
import { type DType, dtypes } from "../../numbers/dtype.ts";
import { decode } from "../../numbers/encoding.ts";
import { formatShape, sameShape } from "../../numbers/shape.ts";
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { Tensor, tensorFromBytes } from "../../tensor/tensor.ts";
import { familyOf, isFloatLayer } from "../layers/layer_family.ts";
import {
  type CopiedChannels,
  copiedChannels,
  shapeWith,
  sizesWith,
} from "../layers/copied_channels.ts";
import { describeLayer } from "../layers/layer_kinds.ts";
import { outputFirstShape } from "../layers/output_first.ts";
import type { WeightedLayer } from "../layers/weighted_layer.ts";
import { SplitLinear } from "../layers/split_linear.ts";
import { functionKindOf } from "../layers/function_kind.ts";
import type { Description, FunctionSpec, LayerSpec } from "./layer_spec.ts";

/** Where a quantized layer goes. */
export interface LayerPlace {
  readonly name: string;
  readonly spec: LayerSpec;
  /** The layer that it takes the place of. */
  readonly module: Module;
  readonly parent: Module;
  readonly field: string;
}

/** Where a layer of two goes. */
export interface SplitPlace extends Omit<LayerPlace, "spec"> {
  readonly made: SplitLinear;
}

/** Where a quantized layer without a weight goes. */
export interface FunctionPlace extends Omit<LayerPlace, "spec"> {
  readonly spec: FunctionSpec;
}

/** Where a plain tensor goes. */
export interface FieldPlace {
  readonly key: string;
  readonly dtype: DType;
  readonly owner: Module;
  readonly field: string;
}

/** What {@linkcode ModelFile.expect} checks a tensor against. */
interface Expected {
  /** Undefined where any shape will do that has as many elements as `numel`. */
  readonly shape?: readonly number[];
  readonly numel?: number;
  readonly check?: (values: ArrayLike<number>) => string | undefined;
  /** The only dtype; any float or integer one where that is left out. */
  readonly dtype?: DType;
  readonly isFloat?: boolean;
}

/** A parsed file, what is wrong with it, and what of it was asked for. */
export class ModelFile {
  private readonly problems: string[] = [];
  private readonly known = new Set<string>();

  constructor(
    private readonly where: string,
    private readonly tensors: ReadonlyMap<string, SafetensorsEntry>,
    private readonly description: Description,
  ) {}

  /** Whether a name is that of a layer of the file, or of something inside of one. */
  private isOfLayer(name: string): boolean {
    const { layers, functions } = this.description;
    return [layers, functions].some((known) => known.has(name) || isInside(name, known));
  }

  /** How many channels more a module has in the file than in the model. */
  private more(name: string, module: Module): CopiedChannels {
    const { inputs = 0, outputs = 0 } = this.description.copied.get(name) ?? {};
    const own = copiedChannels(module);
    return { inputs: inputs - own.inputs, outputs: outputs - own.outputs };
  }

  /** What counts the channels of modules that have more of them in the file, or less. */
  sizes(model: Module): { module: Module; fields: [field: string, value: unknown][] }[] {
    const modules = new Map(model.namedModules());
    for (const name of this.description.copied.keys()) {
      if (!modules.has(name)) this.problems.push(`the model has no module ${name}`);
    }
    return [...modules].flatMap(([name, module]) => {
      const more = this.more(name, module);
      if (more.inputs === 0 && more.outputs === 0) return [];
      return [{ module, fields: sizesWith(module, more) }];
    });
  }

  /** The layers of a model that are to multiply some columns apart, and what comes into their places. */
  splitPlaces(model: Module): SplitPlace[] {
    const modules = new Map(model.namedModules());
    return [...this.description.split].flatMap(([name, count]) => {
      const known = modules.get(name);
      if (known instanceof SplitLinear && known.columns.numel === count) return [];
      const place = this.placeOf(modules, name);
      if (!place) return [];
      const { module } = place;
      if (isLinear(module, name) && isFloatLayer(module)) {
        const layer = module as Linear & { weight: Tensor };
        if (count <= layer.inFeatures) {
          return [{ ...place, made: SplitLinear.around(layer, count) }];
        }
      }
      this.problems.push(
        `${name} is a ${module.constructor.name} in the model, of which ${count} columns cannot be split off`,
      );
      return [];
    });
  }

  /** Where a name leads in a model; undefined, with a problem, if nowhere. */
  private placeOf(modules: ReadonlyMap<string, Module>, name: string) {
    const at = name.lastIndexOf(".");
    const parent = modules.get(name.slice(0, Math.max(at, 0)));
    const module = modules.get(name);
    if (parent && module && name !== "") {
      return { name, module, parent, field: name.slice(at + 1) };
    }
    this.problems.push(`the model has no module ${name}`);
  }

  /** Where the quantized layers without a weight go; checks their tensors. */
  functionPlaces(model: Module): FunctionPlace[] {
    const modules = new Map(model.namedModules());
    const places: FunctionPlace[] = [];
    for (const [name, spec] of this.description.functions) {
      const { kind, output: { targetDtype: dtype, quantMin, quantMax } } = spec;
      if (kind.table) {
        const check = (values: ArrayLike<number>) => outside(values, quantMin, quantMax);
        this.expect(`${name}.table`, { shape: [256], dtype, check });
      }
      const place = this.placeOf(modules, name);
      if (!place) continue;
      if (functionKindOf(place.module) !== kind) {
        this.problems.push(
          `${name} is a ${place.module.constructor.name} in the model, which does not become a ${kind.name}`,
        );
      }
      places.push({ ...place, spec });
    }
    return places;
  }

  /** Where the quantized layers go; checks their tensors. */
  layerPlaces(model: Module): LayerPlace[] {
    const modules = new Map(model.namedModules());
    const places: LayerPlace[] = [];
    for (const [name, spec] of this.description.layers) {
      this.expectLayer(name, spec);
      const place = this.placeOf(modules, name);
      if (!place) continue;
      const { module } = place;
      const own = weightShape(module);
      const shape = own && shapeWith(own, this.more(name, module));
      if (!shape) {
        this.problems.push(
          `${name} is a ${module.constructor.name} in the model, not a Linear or another layer that can be quantized`,
        );
      } else if (!sameShape(shape, spec.weight.shape)) {
        this.problems.push(
          `shape of ${name}: the model has ${formatShape(shape)}, the file ${
            formatShape(spec.weight.shape)
          }`,
        );
      }
      places.push({ ...place, spec });
    }
    return places;
  }

  private expectLayer(name: string, spec: LayerSpec): void {
    const { weight, input, bias, kind: { weightName: field } } = spec;
    const blocks = weight.shape.reduce((n, size, i) => n * (size / weight.blockSize[i]), 1);
    const { quantMin, quantMax } = weight;
    this.expect(`${name}.${field}.intData`, {
      shape: weight.shape,
      dtype: weight.targetDtype,
      check: (values) => outside(values, quantMin, quantMax),
    });
    this.expect(`${name}.${field}.scale`, { numel: blocks, isFloat: true, check: notScales });
    if (weight.zeroPoint) {
      this.expect(`${name}.${field}.zeroPoint`, { numel: blocks, check: notFinite });
    }
    if (input?.kind === "static") {
      const { rows: numel } = input;
      this.expect(`${name}.actScale`, { numel, isFloat: true, check: notScales });
      if (input.zeroPoint) this.expect(`${name}.actZeroPoint`, { numel, check: notFinite });
    }
    if (spec.preScale) {
      const shape = [weight.shape[1]];
      this.expect(`${name}.actPreScale`, { shape, isFloat: true, check: notFinite });
    }
    if (bias) this.expect(`${name}.bias`, { shape: [weight.shape[0]], isFloat: true });
  }

  /** Where the other tensors go; checks them. */
  floatPlaces(model: Module): FieldPlace[] {
    const places: FieldPlace[] = [];
    for (const [prefix, owner] of model.namedModules()) {
      if (this.isOfLayer(prefix)) continue;
      for (const [field, value] of Object.entries(owner)) {
        const key = prefix ? `${prefix}.${field}` : field;
        if (isLinearWeight(value)) {
          this.problems.push(`${key} is quantized in the model already; build a float one`);
        }
        if (!(value instanceof Tensor)) continue;
        const { dtype } = value;
        const shape = shapeWith(value.shape, this.more(prefix, owner));
        const check = owner instanceof SplitLinear ? this.isColumn(prefix, owner) : undefined;
        this.expect(key, dtype.isFloat ? { shape, isFloat: true } : { shape, dtype, check });
        const found = this.tensors.get(key);
        places.push({
          key,
          dtype: (dtype.isFloat && found && floatDtype(found)) || dtype,
          owner,
          field,
        });
      }
    }
    return places;
  }

  /** Checks the columns that a layer splits off. */
  private isColumn(name: string, { others }: SplitLinear) {
    const { inputs } = this.more(`${name}.others`, others);
    const [, count] = weightShape(others) ?? [0, 0];
    return (values: ArrayLike<number>) => outside(values, 0, count + inputs - 1);
  }

  /** Takes note that a tensor is wanted, and of what is wrong with the one that is there. */
  private expect(key: string, wanted: Expected): void {
    this.known.add(key);
    const found = this.tensors.get(key);
    if (!found) {
      this.problems.push(`missing: ${key}`);
      return;
    }
    const numel = found.shape.reduce((n, size) => n * size, 1);
    const { shape, dtype, isFloat, check } = wanted;
    if (shape ? !sameShape(shape, found.shape) : numel !== wanted.numel) {
      this.problems.push(
        `shape of ${key}: ${shape ? formatShape(shape) : `${wanted.numel} elements`} wanted, the ` +
          `file has ${formatShape(found.shape)}`,
      );
      return;
    }
    const actual = dtype && formatNameOf(dtype) === found.dtype ? dtype : dtypeOf(found);
    if (!actual || (dtype && actual !== dtype) || (isFloat && !actual.isFloat)) {
      this.problems.push(
        `dtype of ${key}: ${
          dtype?.name ?? (isFloat ? "a float one" : "a number")
        } wanted, the file ` +
          `has ${found.dtype}`,
      );
      return;
    }
    const fault = check?.(decode(found.bytes, actual));
    if (fault) this.problems.push(`values of ${key}: ${fault}`);
  }

  /** Throws if anything is wrong. */
  throwProblems(model: Module): void {
    for (const key of this.tensors.keys()) {
      if (!this.known.has(key)) this.problems.push(`unknown: ${key}`);
    }
    if (this.problems.length === 0) return;
    throw new StateError(
      `${this.where}: the file does not fit ${model.constructor.name}; nothing was loaded:\n  ${
        this.problems.join("\n  ")
      }`,
    );
  }

  /** The number of a tensor of one element that was checked. */
  number(key: string): number {
    const entry = this.tensors.get(key)!;
    return Number(decode(entry.bytes, dtypeOf(entry)!)[0]);
  }

  /** A tensor that was checked. */
  tensor(key: string, dtype: DType | undefined, device: Device | undefined): Tensor {
    const entry = this.tensors.get(key)!;
    const { shape, bytes } = entry;
    return tensorFromBytes(bytes, { shape, dtype: dtype ?? dtypeOf(entry), device }).keep();
  }
}

/** The shape of the weight of a float or a quantized layer; undefined for other modules. */
function weightShape(module: Module): readonly number[] | undefined {
  return familyOf(module)
    ? outputFirstShape(module as WeightedLayer)
    : describeLayer(module)?.weight.shape;
}

function outside(values: ArrayLike<number>, min: number, max: number): string | undefined {
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] >= min && values[i] <= max)) {
      return `element ${i} is ${values[i]}, beyond ${min} … ${max}`;
    }
  }
}

function notScales(values: ArrayLike<number>): string | undefined {
  for (let i = 0; i < values.length; i++) {
    if (!(values[i] > 0 && values[i] < Infinity)) {
      return `element ${i} is ${values[i]}, but scales are positive`;
    }
  }
}

function notFinite(values: ArrayLike<number>): string | undefined {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) return `element ${i} is ${values[i]}`;
  }
}

/** The dtype of an element type; for those that lie in whole bytes, the byte. */
function dtypeOf({ dtype }: SafetensorsEntry): DType | undefined {
  return Object.values(dtypes).find((d) => formatNameOf(d) === dtype);
}

function floatDtype(entry: SafetensorsEntry): DType | undefined {
  const dtype = dtypeOf(entry);
  return dtype?.isFloat ? dtype : undefined;
}

/** Whether a name is that of something inside one of the modules. */
export function isInside(name: string, modules: ReadonlyMap<string, unknown>): boolean {
  for (let at = name.lastIndexOf("."); at >= 0; at = name.lastIndexOf(".", at - 1)) {
    if (modules.has(name.slice(0, at))) return true;
    if (at === 0) break;
  }
  return false;
}
