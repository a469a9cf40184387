/**
 * What the metadata of a saved model says of its quantized layers, as JSON.
 *
 * @module
 */
import { type DTypeName, dtypes } from "../../numbers/dtype.ts";
import { SafetensorsError } from "../../files/safetensors.ts";

/** The version of the JSON below that this writes, and the highest that it reads. */
export const VERSION = 1;

/** The metadata's key for that JSON. */
export const KEY = "staticquant";

/** Integers of a range, with what they stand for. */
export interface IntegerSpec {
  readonly targetDtype: DTypeName;
  readonly quantMin: number;
  readonly quantMax: number;
  /** Whether there are zero points. */
  readonly zeroPoint: boolean;
}

/** A quantized weight. */
export interface WeightSpec extends IntegerSpec {
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
export interface LayerSpec {
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

/** The layers that the metadata describes, every value checked. */
export function parseLayers(
  where: string,
  description: string | undefined,
): Map<string, LayerSpec> {
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
