/**
 * What the metadata of a saved model says of its quantized layers, as JSON.
 *
 * @module
 */
import { type DType, type DTypeName, dtypes, int8 } from "../../numbers/dtype.ts";
import { SafetensorsError } from "../../files/safetensors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CopiedChannels } from "../layers/copied_channels.ts";
import { type DescribedLayer, type LayerKind, layerKind } from "../layers/layer_kinds.ts";
import {
  type DescribedFunction,
  type FunctionKind,
  functionKind,
} from "../layers/function_kind.ts";
import {
  type ActivationQuantizer,
  checkActivationQuantizer,
} from "../tensors/activation_quantizer.ts";
import {
  type DynamicInputQuantizer,
  dynamicInputQuantizer,
  float8InputQuantizer,
  type InputQuantizer,
} from "../tensors/input_quantizer.ts";

/** The highest version of the JSON below that is read. */
export const VERSION = 2;

/** The version that is written: 2 only where layers give bytes, which the first one has no words for. */
function versionOf(layers: Described["layers"], functions: Described["functions"]): 1 | 2 {
  return functions.size > 0 || [...layers.values()].some(({ output }) => output) ? 2 : 1;
}

/** The metadata's key for that JSON. */
export const KEY = "staticquant";

/** Integers of a range. */
interface IntegerRange {
  readonly targetDtype: DType;
  readonly quantMin: number;
  readonly quantMax: number;
}

/** Integers of a range, with what they stand for. */
interface IntegerSpec extends IntegerRange {
  /** Whether there are zero points. */
  readonly zeroPoint: boolean;
}

/** A quantized weight. */
interface WeightSpec extends IntegerSpec {
  /** The float dtype that it stands for. */
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly blockSize: readonly number[];
}

/** How the input is quantized: a dynamic one holds all that it is, a static one has tensors beside. */
type InputSpec =
  | (IntegerSpec & {
    readonly kind: "static";
    readonly symmetric: boolean;
    /** How many rows with scales of their own inputs have; 1 for one scale for all. */
    readonly rows: number;
  })
  | DynamicInputQuantizer;

/** A quantized layer. */
export interface LayerSpec {
  readonly kind: LayerKind;
  readonly weight: WeightSpec;
  readonly input: InputSpec | null;
  /** Whether inputs are scaled before they are quantized. */
  readonly preScale: boolean;
  /** Whether the layer has a bias. */
  readonly bias: boolean;
  /** How the output becomes bytes; null where it stays float. */
  readonly output: ActivationQuantizer | null;
}

/** A quantized layer without a weight. */
export interface FunctionSpec {
  readonly kind: FunctionKind;
  readonly input: ActivationQuantizer | null;
  readonly output: ActivationQuantizer;
}

/** What the metadata describes, by the full names of the layers. */
export interface Description {
  readonly layers: ReadonlyMap<string, LayerSpec>;
  readonly functions: ReadonlyMap<string, FunctionSpec>;
  /** How many channels more modules have than the model that the file goes into. */
  readonly copied: ReadonlyMap<string, CopiedChannels>;
  /** The layers that multiply some columns apart, and how many. */
  readonly split: ReadonlyMap<string, number>;
}

/** What a model consists of, to be described. */
export interface Described {
  readonly layers: ReadonlyMap<string, DescribedLayer>;
  readonly functions: ReadonlyMap<string, DescribedFunction>;
  readonly copied: ReadonlyMap<string, CopiedChannels>;
  /** The layers that multiply some columns apart, and how many. */
  readonly split: ReadonlyMap<string, number>;
}

/** What a dynamic input is if the file says nothing of it, as files of the first release do. */
const DYNAMIC = dynamicInputQuantizer();

/** The metadata that describes the layers. {@linkcode parseLayers} reads it. */
export function formatLayers({ layers, functions, copied, split }: Described): string {
  const described = [...layers].map(([name, layer]) => [name, formatLayer(layer)]);
  const more = [...functions].map(([name, { kind, parts: { input, output } }]) => [
    name,
    { kind: kind.name, input: input && formatActivation(input), output: formatActivation(output) },
  ]);
  return JSON.stringify({
    version: versionOf(layers, functions),
    layers: Object.fromEntries(described),
    ...(functions.size ? { functions: Object.fromEntries(more) } : {}),
    ...(copied.size ? { copied: Object.fromEntries(copied) } : {}),
    ...(split.size ? { split: Object.fromEntries(split) } : {}),
  });
}

function formatActivation({ scale, zeroPoint, targetDtype, ...range }: ActivationQuantizer) {
  const { quantMin, quantMax } = range;
  return { scale, zeroPoint, targetDtype: targetDtype.name, quantMin, quantMax };
}

function formatLayer({ kind, weight, input, bias, output }: DescribedLayer) {
  const { dtype, shape, blockSize } = weight;
  return {
    kind: kind.name,
    weight: { dtype: dtype.name, shape, blockSize, ...formatIntegers(weight) },
    input: input && formatInput(input),
    bias: bias !== null,
    ...(input?.kind === "static" && input.symmetric ? { actSymmetric: true } : {}),
    ...(output ? { output: formatActivation(output) } : {}),
    ...(input && input.kind !== "custom" && input.preScale ? { preScale: true } : {}),
  };
}

function formatInput(input: InputQuantizer) {
  if (input.kind === "static") {
    const { scale: { numel: rows } } = input;
    return { ...formatIntegers(input), ...(rows === 1 ? {} : { rows }) };
  }
  if (input.kind === "custom") return null;
  const { targetDtype, quantMin, quantMax, eps, perTensor, asymmetric, valueLb, valueUb } = input;
  if (targetDtype.isFloat) {
    return { targetDtype: targetDtype.name, quantMin, quantMax, perTensor, valueLb, valueUb };
  }
  const usual = quantMin === DYNAMIC.quantMin && quantMax === DYNAMIC.quantMax &&
    eps === DYNAMIC.eps && !perTensor && !asymmetric;
  const known = { targetDtype: targetDtype.name, quantMin, quantMax, eps };
  return usual ? null : { ...known, perTensor, asymmetric };
}

function formatIntegers(
  { targetDtype, quantMin, quantMax, zeroPoint }: IntegerRange & { zeroPoint: Tensor | null },
) {
  return { targetDtype: targetDtype.name, quantMin, quantMax, zeroPoint: zeroPoint !== null };
}

/** Dimensions that a weight has at most: two of channels, three of a kernel. */
const MAX_DIMS = 5;

/** Characters of a description at most; a layer takes some four hundred. */
const MAX_DESCRIPTION = 2 ** 24;

/** The layers that the metadata describes, every value checked. */
export function parseLayers(
  where: string,
  description: string | undefined,
): Description {
  if (description === undefined) {
    throw new SafetensorsError(
      `${where}: the file's metadata has no key "${KEY}", so it was not written by saveQuantizedModel; ` +
        `load float tensors with loadSafetensors and model.loadStateDict`,
    );
  }
  if (description.length > MAX_DESCRIPTION) {
    throw new SafetensorsError(
      `${where}: the metadata "${KEY}" has ${description.length} characters, more than the ` +
        `${MAX_DESCRIPTION} that are read; the file is damaged`,
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
  const layers = Object.entries(asRecord(where, root.layers, "layers"));
  const functions = Object.entries(asRecord(where, root.functions ?? {}, "functions"));
  const copied = Object.entries(asRecord(where, root.copied ?? {}, "copied"));
  const split = Object.entries(asRecord(where, root.split ?? {}, "split"));
  return {
    layers: new Map(layers.map(([name, layer]) => [name, parseLayer(where, name, layer)])),
    functions: new Map(functions.map(([name, one]) => [name, parseFunction(where, name, one)])),
    copied: new Map(copied.map(([name, one]) => [name, parseCopied(where, name, one)])),
    split: new Map(split.map(([name, count]) => [name, parseSplit(where, name, count)])),
  };
}

function parseCopied(where: string, name: string, value: unknown): CopiedChannels {
  const { inputs, outputs } = asRecord(where, value, `copied of ${name}`);
  const isCount = (count: unknown): count is number =>
    Number.isSafeInteger(count) && (count as number) >= 0;
  if (!isCount(inputs) || !isCount(outputs)) return wrong(where, `copied of ${name}`, value);
  return { inputs, outputs };
}

function parseSplit(where: string, name: string, count: unknown): number {
  const fits = Number.isSafeInteger(count) && (count as number) > 0;
  return fits ? count as number : wrong(where, `split of ${name}`, count);
}

function parseFunction(where: string, name: string, value: unknown): FunctionSpec {
  const { kind: called, input, output } = asRecord(where, value, name);
  const kind = functionKind(called);
  if (!kind) return wrong(where, `the kind of ${name}`, called);
  if ((input !== null) !== kind.input) wrong(where, `the input of ${name}`, input);
  return {
    kind,
    input: input === null ? null : parseActivation(where, `the input of ${name}`, input),
    output: parseActivation(where, `the output of ${name}`, output),
  };
}

function parseActivation(where: string, what: string, value: unknown): ActivationQuantizer {
  const found = asRecord(where, value, what);
  const { scale, zeroPoint } = found as { scale: number; zeroPoint: number };
  const quantizer = { ...parseRange(where, what, found), scale, zeroPoint };
  try {
    checkActivationQuantizer(where, quantizer);
  } catch {
    return wrong(where, what, value);
  }
  return quantizer;
}

function wrong(where: string, what: string, value: unknown): never {
  throw new SafetensorsError(
    `${where}: in the metadata "${KEY}", ${what.slice(0, 200)} is ${shown(value)}; the file is ` +
      `damaged or its writer faulty`,
  );
}

/** A value for a message. */
function shown(value: unknown): string {
  try {
    return JSON.stringify(value)?.slice(0, 80) ?? "missing";
  } catch {
    return "nested too deep"; // to be written, though not to be read
  }
}

function asRecord(where: string, value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  return wrong(where, what, value);
}

function parseLayer(where: string, name: string, value: unknown): LayerSpec {
  const layer = asRecord(where, value, name);
  const { bias, actSymmetric = false, preScale = false } = layer;
  const kind = layerKind(layer.kind);
  if (!kind || kind.input === "custom") return wrong(where, `the kind of ${name}`, layer.kind);
  if (typeof bias !== "boolean") wrong(where, `the bias of ${name}`, bias);
  if (typeof actSymmetric !== "boolean") wrong(where, `actSymmetric of ${name}`, actSymmetric);
  if (typeof preScale !== "boolean" || preScale && !kind.preScale) {
    return wrong(where, `preScale of ${name}`, preScale);
  }
  const w = asRecord(where, layer.weight, `the weight of ${name}`);
  const dtype = dtypeCalled(w.dtype);
  if (!dtype?.isFloat) return wrong(where, `the dtype of ${name}`, w.dtype);
  const sizes = (key: "shape" | "blockSize"): number[] => {
    const list = w[key];
    const fits = Array.isArray(list) && list.length >= 2 && list.length <= MAX_DIMS &&
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
  const { output: given = null } = layer;
  const output = given === null ? null : parseActivation(where, `the output of ${name}`, given);
  const input = parseInput(where, name, kind, layer.input, actSymmetric);
  if (output && input?.kind !== "static") wrong(where, `the output of ${name}`, given);
  return { kind, weight, input, preScale, bias, output };
}

function parseInput(
  where: string,
  name: string,
  kind: LayerKind,
  value: unknown,
  symmetric: boolean,
): InputSpec | null {
  const what = `the input of ${name}`;
  if (kind.input === null) return value === null ? null : wrong(where, what, value);
  if (kind.input === "dynamic" && value === null) return DYNAMIC;
  const input = asRecord(where, value, what);
  if (kind.input === "dynamic") {
    const { targetDtype, ...range } = parseRange(where, what, input);
    const isFloat8 = targetDtype.isFloat && targetDtype.itemSize === 1;
    if (targetDtype !== int8 && !isFloat8) {
      wrong(where, `targetDtype of ${what}`, targetDtype.name);
    }
    try {
      if (isFloat8) return parseFloat8(targetDtype, input);
      const [perTensor, asymmetric] = ["perTensor", "asymmetric"].map((key) => flagOf(input, key));
      return dynamicInputQuantizer({ ...range, eps: input.eps as number, perTensor, asymmetric });
    } catch {
      return wrong(where, what, value);
    }
  }
  const spec = parseIntegers(where, what, input);
  if (kind.zeroPoint && !spec.zeroPoint) wrong(where, what, value);
  const { rows = 1 } = input;
  if (!Number.isSafeInteger(rows) || (rows as number) < 1) wrong(where, `rows of ${what}`, rows);
  return { kind: "static", ...spec, symmetric, rows: rows as number };
}

/** A dynamic input of 8-bit floats. Throws where it is none. */
function parseFloat8(dtype: DType, value: Record<string, unknown>): DynamicInputQuantizer {
  const { valueLb, valueUb } = value as Record<string, never>;
  return float8InputQuantizer({ dtype, perRow: !flagOf(value, "perTensor"), valueLb, valueUb });
}

/** A truth value that may be left out. Throws where there is something else. */
function flagOf(value: Record<string, unknown>, key: string): boolean {
  const flag = Object.hasOwn(value, key) ? value[key] : false;
  if (typeof flag !== "boolean") throw new TypeError();
  return flag;
}

function parseIntegers(
  where: string,
  what: string,
  value: Record<string, unknown>,
): IntegerSpec {
  const range = parseRange(where, what, value);
  const { zeroPoint } = value;
  if (typeof zeroPoint !== "boolean") return wrong(where, `zeroPoint of ${what}`, zeroPoint);
  return { ...range, zeroPoint };
}

function parseRange(where: string, what: string, value: Record<string, unknown>): IntegerRange {
  const { targetDtype, quantMin, quantMax } = value;
  const dtype = dtypeCalled(targetDtype);
  if (!dtype) return wrong(where, `targetDtype of ${what}`, targetDtype);
  const [min, max] = [quantMin as number, quantMax as number];
  const fits = Number.isInteger(min) && Number.isInteger(max) && dtype.min <= min && min < max &&
    max <= dtype.max;
  if (!fits) wrong(where, `the integer range of ${what}`, [quantMin, quantMax]);
  return { targetDtype: dtype, quantMin: min, quantMax: max };
}

function dtypeCalled(name: unknown): DType | undefined {
  const known = typeof name === "string" && Object.hasOwn(dtypes, name);
  return known ? dtypes[name as DTypeName] : undefined;
}
