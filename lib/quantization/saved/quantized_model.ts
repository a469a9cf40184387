/**
 * Quantized models as safetensors files: integers, scales, zero points and float tensors by name,
 * and in the metadata, as JSON, what they mean.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { Linear } from "../../nn/linear.ts";
import { isLinearWeight, type Module, nameModules, setField } from "../../nn/module.ts";
import { int8SymmPerTokenReducedRangeQuant } from "../configs/int8_dynamic_activation.ts";
import { LinearActivationQuantizedTensor } from "../tensors/linear_activation_quantized_tensor.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { QuantizedLinear } from "../layers/quantized_linear.ts";
import { AffineQuantizedTensor, toAffineQuantizedIntxStatic } from "../tensors/quantized_tensor.ts";
import { type DType, type DTypeName, dtypes } from "../../numbers/dtype.ts";
import { decode } from "../../numbers/encoding.ts";
import { formatShape, sameShape } from "../../numbers/shape.ts";
import { ones, Tensor, tensorFromBytes, zeros } from "../../tensor/tensor.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  SafetensorsError,
} from "../../files/safetensors.ts";
import { formatNameOf, saveSafetensors } from "../../nn/state_file.ts";

/** The version of the JSON below that this writes, and the highest that it reads. */
const VERSION = 1;

/** The metadata's key for that JSON. */
const KEY = "staticquant";

/** Integers of a range, with what they stand for. */
interface IntegerSpec {
  readonly targetDtype: DTypeName;
  readonly quantMin: number;
  readonly quantMax: number;
  /** Whether there are zero points. */
  readonly zeroPoint: boolean;
}

/** A quantized weight. */
interface WeightSpec extends IntegerSpec {
  /** The float dtype that it stands for. */
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly blockSize: readonly number[];
}

const kinds = [
  "QuantizedLinear",
  "WeightOnlyLinear",
  "StaticInputLinear",
  "DynamicInputLinear",
] as const;

/** A quantized layer. */
interface LayerSpec {
  /**
   * `QuantizedLinear`, or a `Linear` that holds a quantized weight: alone (`WeightOnlyLinear`), with
   * static input quantization attached (`StaticInputLinear`), or with that of
   * `Int8DynamicActivationInt8WeightConfig` (`DynamicInputLinear`).
   */
  readonly kind: (typeof kinds)[number];
  readonly weight: WeightSpec;
  /** How the input is quantized, if that is fixed; else null. */
  readonly input: IntegerSpec | null;
  /** Whether the layer has a bias. */
  readonly bias: boolean;
  /** See `QuantizedLinearParts`. */
  readonly actSymmetric?: boolean;
}

/** A layer on its way into a file. */
interface SavedLayer {
  readonly spec: LayerSpec;
  readonly tensors: Record<string, Tensor>;
}

/**
 * The bytes of a safetensors file that holds a quantized model: the integers of its quantized
 * layers (one byte each), scales, zero points and biases, the tensors of its other modules, and in
 * the metadata how the layers are quantized. The same model gives the same bytes. Waits for the
 * device.
 *
 * @param model the quantized model, whose quantized layers came from `quantize_` with a config of
 * this toolkit.
 * @param metadata strings by name, for the file's header; {@linkcode loadQuantizedModel_} gives
 * them back.
 * @throws {Error} if a layer is still under observation, or quantized in a way that a file cannot
 * hold: by a class or an input quantization of one's own.
 *
 * @example
 * ```ts
 * import { Linear, loadQuantizedModel_, saveQuantizedModel, Sequential } from "@staticquant/staticquant";
 * const build = () => new Sequential({ fc1: new Linear(8, 8), fc2: new Linear(8, 2) });
 * const model = build(); // to be calibrated and quantized: see QuantizedLinear for a whole example
 * const file = await saveQuantizedModel(model, { source: "example" });
 * const metadata = loadQuantizedModel_(build(), file);
 * console.log(file.byteLength, metadata.source); // … example
 * ```
 */
export async function saveQuantizedModel(
  model: Module,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const where = "saveQuantizedModel";
  if (Object.hasOwn(metadata, KEY)) {
    throw new Error(`${where}: the metadata key "${KEY}" is the format's own; use another`);
  }
  const layers: Record<string, LayerSpec> = {};
  const tensors = model.stateDict();
  const own = new Set<Tensor>();
  try {
    for (const [name, module] of model.namedModules()) {
      const saved = saveLayer(where, name, module, own);
      if (!saved) continue;
      layers[name] = saved.spec;
      for (const key of Object.keys(tensors)) if (isBelow(key, name)) delete tensors[key];
      for (const [part, t] of Object.entries(saved.tensors)) tensors[`${name}.${part}`] = t;
    }
    const description = JSON.stringify({ version: VERSION, layers });
    return await saveSafetensors(tensors, { ...metadata, [KEY]: description });
  } finally {
    own.forEach((t) => t.dispose());
  }
}

function isBelow(key: string, name: string): boolean {
  return key.startsWith(`${name}.`);
}

/** What a quantized layer is saved as; undefined for other modules. `own` takes what it makes. */
function saveLayer(
  where: string,
  name: string,
  module: Module,
  own: Set<Tensor>,
): SavedLayer | undefined {
  const called = `${name || "the model itself"} (${module.constructor.name})`;
  if (module instanceof ObservedLinear) {
    throw new Error(`${where}: ${called} is under observation; call quantize_ before saving`);
  }
  const saved = layerParts(where, called, module, own);
  if (saved && name === "") {
    throw new Error(
      `${where}: ${called} cannot be loaded in place; put it into a Sequential before quantizing`,
    );
  }
  const unknown = saved ? undefined : Object.entries(module).find(([, v]) => isLinearWeight(v));
  if (unknown) {
    throw new Error(
      `${where}: ${called} holds a quantized weight in its field ${
        unknown[0]
      }, but of a layer or weight ` +
        `class that the format does not know; quantize it with a config of this toolkit`,
    );
  }
  return saved;
}

function layerParts(
  where: string,
  called: string,
  module: Module,
  own: Set<Tensor>,
): SavedLayer | undefined {
  const withBias = (bias: Tensor | null): Record<string, Tensor> => bias ? { bias } : {};
  if (module instanceof QuantizedLinear) {
    const { qweight, actScale, actZeroPoint, targetDtype, actRange, bias } = module;
    const { actSymmetric } = module as unknown as { actSymmetric?: boolean };
    return {
      spec: {
        kind: "QuantizedLinear",
        weight: weightSpec(qweight),
        input: { targetDtype: targetDtype.name, ...actRange, zeroPoint: true },
        bias: bias !== null,
        ...(actSymmetric ? { actSymmetric } : {}),
      },
      tensors: {
        ...weightTensors("qweight", qweight, own),
        actScale,
        actZeroPoint,
        ...withBias(bias),
      },
    };
  }
  if (!(module instanceof Linear)) return;
  const { weight, bias } = module;
  if (weight instanceof AffineQuantizedTensor) {
    return {
      spec: {
        kind: "WeightOnlyLinear",
        weight: weightSpec(weight),
        input: null,
        bias: bias !== null,
      },
      tensors: { ...weightTensors("weight", weight, own), ...withBias(bias) },
    };
  }
  if (!(weight instanceof LinearActivationQuantizedTensor)) return;
  if (weight.inputQuantFunc === int8SymmPerTokenReducedRangeQuant) {
    return {
      spec: {
        kind: "DynamicInputLinear",
        weight: weightSpec(weight.originalWeight),
        input: null,
        bias: bias !== null,
      },
      tensors: { ...weightTensors("weight", weight.originalWeight, own), ...withBias(bias) },
    };
  }
  const input = staticInput(weight);
  if (!input) {
    throw new Error(
      `${where}: ${called} quantizes its input by a function of its own (${
        weight.inputQuantFunc.name || "without a name"
      }), which a file cannot hold; use a config of this toolkit`,
    );
  }
  const { targetDtype, quantMin, quantMax, scale, zeroPoint } = input;
  return {
    spec: {
      kind: "StaticInputLinear",
      weight: weightSpec(weight.originalWeight),
      input: { targetDtype: targetDtype.name, quantMin, quantMax, zeroPoint: zeroPoint !== null },
      bias: bias !== null,
    },
    tensors: {
      ...weightTensors("weight", weight.originalWeight, own),
      actScale: scale,
      ...(zeroPoint ? { actZeroPoint: zeroPoint } : {}),
      ...withBias(bias),
    },
  };
}

/** The input's parameters, if they do not depend on the input: two inputs then share tensors. */
function staticInput(weight: LinearActivationQuantizedTensor): AffineQuantizedTensor | undefined {
  const { dtype, device } = weight;
  const shape = [1, weight.shape[1]];
  using a = zeros(shape, { dtype, device });
  using b = ones(shape, { dtype, device });
  using p = weight.inputQuantFunc(a);
  using q = weight.inputQuantFunc(b);
  return p.scale === q.scale && p.zeroPoint === q.zeroPoint ? p : undefined;
}

function weightSpec(weight: AffineQuantizedTensor): WeightSpec {
  const { dtype, shape, blockSize, targetDtype, quantMin, quantMax, zeroPoint } = weight;
  return {
    dtype: dtype.name,
    shape,
    blockSize,
    targetDtype: targetDtype.name,
    quantMin,
    quantMax,
    zeroPoint: zeroPoint !== null,
  };
}

function weightTensors(field: string, weight: AffineQuantizedTensor, own: Set<Tensor>) {
  const intData = weight.intData();
  own.add(intData);
  const { scale, zeroPoint } = weight;
  return {
    [`${field}.intData`]: intData,
    [`${field}.scale`]: scale,
    ...(zeroPoint ? { [`${field}.zeroPoint`]: zeroPoint } : {}),
  };
}

/**
 * Loads what {@linkcode saveQuantizedModel} saved into a freshly built float model of the same
 * architecture, in place: its layers are swapped for quantized ones as the file says, and the
 * tensors of its other modules replaced, in the file's dtypes. The float weights that it has are not
 * looked at. What comes back computes the same bits. Either all is loaded or nothing.
 *
 * @param model the float model.
 * @param bytes the file's bytes.
 * @returns the metadata that was given when saving.
 * @throws {SafetensorsError} if the file is damaged, is not a quantized model, or was written by a
 * newer version of the format.
 * @throws {Error} if file and model do not fit: a tensor or a module missing or unknown, or of
 * another shape or dtype. The message lists all of them.
 *
 * @example
 * ```ts
 * import { Linear, loadQuantizedModel_, saveQuantizedModel, Sequential } from "@staticquant/staticquant";
 * const file = await saveQuantizedModel(new Sequential({ fc: new Linear(8, 2) }));
 * const model = new Sequential({ fc: new Linear(8, 2) });
 * loadQuantizedModel_(model, file);
 * ```
 */
export function loadQuantizedModel_(model: Module, bytes: Uint8Array): Record<string, string> {
  const where = "loadQuantizedModel_";
  const { tensors, metadata } = parseSafetensors(bytes);
  const { [KEY]: description, ...rest } = metadata;
  const file = new ModelFile(where, tensors, parseLayers(where, description));
  const device = Object.values(model.stateDict())[0]?.device;
  const layers = file.layerPlaces(model);
  const fields = file.floatPlaces(model);
  file.throwProblems(model);

  const modules = layers.map(({ name, spec }) => {
    try {
      return buildLayer(file, name, spec, device);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
      throw new Error(`${where}: ${name}: ${error.message}; nothing was loaded`, { cause: error });
    }
  });
  const values = fields.map(({ key, dtype }) => file.tensor(key, dtype, device));
  layers.forEach(({ parent, field }, i) => setField(parent, field, modules[i]));
  fields.forEach(({ owner, field }, i) => setField(owner, field, values[i]));
  nameModules(model);
  return rest;
}

/** Where a quantized layer goes. */
interface LayerPlace {
  readonly name: string;
  readonly spec: LayerSpec;
  readonly parent: Module;
  readonly field: string;
}

/** Where a plain tensor goes. */
interface FieldPlace {
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
class ModelFile {
  private readonly problems: string[] = [];
  private readonly known = new Set<string>();

  constructor(
    private readonly where: string,
    private readonly tensors: ReadonlyMap<string, SafetensorsEntry>,
    private readonly layers: ReadonlyMap<string, LayerSpec>,
  ) {}

  /** Where the quantized layers go; checks their tensors. */
  layerPlaces(model: Module): LayerPlace[] {
    const modules = new Map(model.namedModules());
    const places: LayerPlace[] = [];
    for (const [name, spec] of this.layers) {
      const at = name.lastIndexOf(".");
      const parent = modules.get(name.slice(0, Math.max(at, 0)));
      const module = modules.get(name);
      this.expectLayer(name, spec);
      if (!parent || !module || name === "") {
        this.problems.push(`the model has no module ${name}`);
        continue;
      }
      const { inFeatures, outFeatures } = module as unknown as Partial<Linear>;
      if (inFeatures === undefined || outFeatures === undefined) {
        this.problems.push(`${name} is a ${module.constructor.name} in the model, not a Linear`);
      } else if (!sameShape([outFeatures, inFeatures], spec.weight.shape)) {
        this.problems.push(
          `shape of ${name}: the model has ${formatShape([outFeatures, inFeatures])}, the file ${
            formatShape(spec.weight.shape)
          }`,
        );
      }
      places.push({ name, spec, parent, field: name.slice(at + 1) });
    }
    return places;
  }

  private expectLayer(name: string, spec: LayerSpec): void {
    const { weight, input, bias, kind } = spec;
    const field = kind === "QuantizedLinear" ? "qweight" : "weight";
    const blocks = weight.shape.reduce((n, size, i) => n * (size / weight.blockSize[i]), 1);
    const { quantMin, quantMax } = weight;
    this.expect(`${name}.${field}.intData`, {
      shape: weight.shape,
      dtype: dtypes[weight.targetDtype],
      check: (values) => outside(values, quantMin, quantMax),
    });
    this.expect(`${name}.${field}.scale`, { numel: blocks, isFloat: true, check: notScales });
    if (weight.zeroPoint) {
      this.expect(`${name}.${field}.zeroPoint`, { numel: blocks, check: notFinite });
    }
    if (input) {
      this.expect(`${name}.actScale`, { numel: 1, isFloat: true, check: notScales });
      if (input.zeroPoint) this.expect(`${name}.actZeroPoint`, { numel: 1, check: notFinite });
    }
    if (bias) this.expect(`${name}.bias`, { shape: [weight.shape[0]], isFloat: true });
  }

  /** Where the other tensors go; checks them. */
  floatPlaces(model: Module): FieldPlace[] {
    const places: FieldPlace[] = [];
    const modules = model.namedModules();
    const names = [...this.layers.keys()];
    for (const [prefix, owner] of modules) {
      if (names.some((name) => prefix === name || isBelow(prefix, name))) continue;
      for (const [field, value] of Object.entries(owner)) {
        const key = prefix ? `${prefix}.${field}` : field;
        if (isLinearWeight(value)) {
          this.problems.push(`${key} is quantized in the model already; build a float one`);
        }
        if (!(value instanceof Tensor)) continue;
        const { dtype, shape } = value;
        this.expect(key, dtype.isFloat ? { shape, isFloat: true } : { shape, dtype });
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
    throw new Error(
      `${this.where}: the file does not fit ${model.constructor.name}; nothing was loaded:\n  ${
        this.problems.join("\n  ")
      }`,
    );
  }

  /** A tensor that was checked. */
  tensor(key: string, dtype: DType | undefined, device: Device | undefined): Tensor {
    const entry = this.tensors.get(key)!;
    const { shape, bytes } = entry;
    return tensorFromBytes(bytes, { shape, dtype: dtype ?? dtypeOf(entry), device }).keep();
  }
}

function outside(values: ArrayLike<number>, min: number, max: number): string | undefined {
  for (let i = 0; i < values.length; i++) {
    if (values[i] < min || values[i] > max) {
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

function buildLayer(
  file: ModelFile,
  name: string,
  spec: LayerSpec,
  device: Device | undefined,
): Module {
  const { kind, weight: w, input, bias: hasBias } = spec;
  const part = (key: string, dtype?: DType) => file.tensor(`${name}.${key}`, dtype, device);
  const field = kind === "QuantizedLinear" ? "qweight" : "weight";
  const { blockSize, quantMin, quantMax, shape } = w;
  const weight = new AffineQuantizedTensor({
    intData: part(`${field}.intData`, dtypes[w.targetDtype]),
    scale: part(`${field}.scale`),
    zeroPoint: w.zeroPoint ? part(`${field}.zeroPoint`) : null,
    blockSize,
    dtype: dtypes[w.dtype],
    quantMin,
    quantMax,
  });
  const bias = hasBias ? part("bias") : null;
  if (!input) {
    const whole = kind === "WeightOnlyLinear"
      ? weight
      : new LinearActivationQuantizedTensor(weight, int8SymmPerTokenReducedRangeQuant);
    return linearWith(shape, whole, bias);
  }
  const targetDtype = dtypes[input.targetDtype];
  const actScale = part("actScale");
  const actZeroPoint = input.zeroPoint ? part("actZeroPoint") : null;
  if (kind === "QuantizedLinear") {
    const parts = {
      actScale,
      actZeroPoint: actZeroPoint!,
      qweight: weight,
      bias,
      targetDtype,
      actQuantMin: input.quantMin,
      actQuantMax: input.quantMax,
      actSymmetric: spec.actSymmetric ?? false,
    };
    return new QuantizedLinear(parts);
  }
  const range = { quantMin: input.quantMin, quantMax: input.quantMax };
  const staticInputQuant = (x: Tensor) =>
    toAffineQuantizedIntxStatic(x, actScale, actZeroPoint, x.shape, targetDtype, range);
  return linearWith(shape, new LinearActivationQuantizedTensor(weight, staticInputQuant), bias);
}

/** A `Linear` without a weight drawn at random first. */
function linearWith(
  [outFeatures, inFeatures]: readonly number[],
  weight: AffineQuantizedTensor | LinearActivationQuantizedTensor,
  bias: Tensor | null,
): Linear {
  const linear: Linear = Object.create(Linear.prototype);
  return Object.assign(linear, { fullName: "", inFeatures, outFeatures, weight, bias });
}

/** The layers that the metadata describes, every value checked. */
function parseLayers(where: string, description: string | undefined): Map<string, LayerSpec> {
  if (description === undefined) {
    throw new SafetensorsError(
      `${where}: the file's metadata has no key "${KEY}", so it was not written by saveQuantizedModel; ` +
        `load float tensors with loadSafetensors and model.loadStateDict`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(description);
  } catch (error) {
    throw new SafetensorsError(
      `${where}: the metadata "${KEY}" is not JSON (${
        (error as Error).message
      }); the file is damaged`,
    );
  }
  const root = asRecord(where, value, "it");
  const { version } = root;
  if (!Number.isInteger(version) || (version as number) < 1) {
    wrong(where, "version", version);
  }
  if ((version as number) > VERSION) {
    throw new SafetensorsError(
      `${where}: the file has version ${version} of the format, this reads up to ${VERSION}; update the ` +
        `package`,
    );
  }
  const layers = asRecord(where, root.layers, "layers");
  return new Map(
    Object.entries(layers).map(([name, layer]) => [name, parseLayer(where, name, layer)]),
  );
}

function wrong(where: string, what: string, value: unknown): never {
  const found = JSON.stringify(value)?.slice(0, 80) ?? "missing";
  throw new SafetensorsError(
    `${where}: in the metadata "${KEY}", ${what} is ${found}; the file is damaged or its writer faulty`,
  );
}

function asRecord(where: string, value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  return wrong(where, what, value);
}

function isKind(kind: unknown): kind is LayerSpec["kind"] {
  return kinds.includes(kind as LayerSpec["kind"]);
}

function parseLayer(where: string, name: string, value: unknown): LayerSpec {
  const layer = asRecord(where, value, name);
  const { kind, bias, actSymmetric = false } = layer;
  if (!isKind(kind)) return wrong(where, `the kind of ${name}`, kind);
  if (typeof bias !== "boolean") wrong(where, `the bias of ${name}`, bias);
  if (typeof actSymmetric !== "boolean") wrong(where, `actSymmetric of ${name}`, actSymmetric);
  const w = asRecord(where, layer.weight, `the weight of ${name}`);
  const dtype = w.dtype as DTypeName;
  if (!Object.hasOwn(dtypes, dtype) || !dtypes[dtype].isFloat) {
    wrong(where, `the dtype of ${name}`, dtype);
  }
  const sizes = (key: "shape" | "blockSize"): number[] => {
    const list = w[key];
    const fits = Array.isArray(list) && list.length === 2 &&
      list.every((size) => Number.isSafeInteger(size) && size > 0);
    return fits ? list : wrong(where, `the weight's ${key} of ${name}`, list);
  };
  const [shape, blockSize] = [sizes("shape"), sizes("blockSize")];
  if (!shape.every((size, i) => size % blockSize[i] === 0)) {
    wrong(where, `the weight's blockSize of ${name}`, blockSize);
  }
  const weight = {
    ...parseIntegers(where, `the weight of ${name}`, w),
    dtype,
    shape,
    blockSize,
  };
  const dynamic = kind === "WeightOnlyLinear" || kind === "DynamicInputLinear";
  if (dynamic !== (layer.input === null)) {
    wrong(where, `the input of ${name}`, layer.input);
  }
  const what = `the input of ${name}`;
  const input = layer.input === null
    ? null
    : parseIntegers(where, what, asRecord(where, layer.input, what));
  if (kind === "QuantizedLinear" && !input?.zeroPoint) wrong(where, what, layer.input);
  return { kind, weight, input, bias, actSymmetric };
}

function parseIntegers(
  where: string,
  what: string,
  value: Record<string, unknown>,
): IntegerSpec {
  const { targetDtype, quantMin, quantMax, zeroPoint } = value;
  const dtype = typeof targetDtype === "string" && Object.hasOwn(dtypes, targetDtype)
    ? dtypes[targetDtype as DTypeName]
    : undefined;
  if (!dtype) return wrong(where, `targetDtype of ${what}`, targetDtype);
  const [min, max] = [quantMin as number, quantMax as number];
  const fits = Number.isInteger(min) && Number.isInteger(max) && dtype.min <= min && min < max &&
    max <= dtype.max;
  if (!fits) wrong(where, `the integer range of ${what}`, [quantMin, quantMax]);
  if (typeof zeroPoint !== "boolean") return wrong(where, `zeroPoint of ${what}`, zeroPoint);
  return { targetDtype: dtype.name, quantMin: min, quantMax: max, zeroPoint };
}
