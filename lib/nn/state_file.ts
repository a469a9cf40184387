/**
 * Tensors by name, to and from the bytes of a safetensors file.
 *
 * @module
 */
import type { Device } from "../backend/backend.ts";
import {
  bfloat16,
  type DType,
  float16,
  float32,
  float8_e4m3fn,
  float8_e5m2,
  int16,
  int32,
  int8,
  uint8,
} from "../numbers/dtype.ts";
import { checkOptions, given } from "../numbers/arguments.ts";
import { Tensor, tensorFromBytes } from "../tensor/tensor.ts";
import { encode } from "../numbers/encoding.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../files/safetensors.ts";
import { fail, tensor as named } from "../files/safetensors_header.ts";

const byFormatName = new Map<string, DType>([
  ["F32", float32],
  ["F16", float16],
  ["BF16", bfloat16],
  ["F8_E4M3", float8_e4m3fn],
  ["F8_E5M2", float8_e5m2],
  ["I32", int32],
  ["I16", int16],
  ["I8", int8],
  ["U8", uint8],
]);
const toFormatName = new Map([...byFormatName].map(([name, dtype]) => [dtype, name]));

/** How the format calls a dtype's elements; a dtype narrower than a byte lies in whole bytes. */
export function formatNameOf(dtype: DType): string {
  return toFormatName.get(dtype) ?? (dtype.min < 0 ? "I8" : "U8");
}

/** How elements are read that no dtype here is laid out as. */
interface Conversion {
  readonly dtype: DType;
  /** The numbers in bytes that begin at a multiple of their size. */
  read(buffer: ArrayBuffer): ArrayLike<number | bigint>;
}

/** What PyTorch saves beside weights: counts, indices, masks, statistics in double precision. */
const conversions: ReadonlyMap<string, Conversion> = new Map<string, Conversion>([
  ["F64", { dtype: float32, read: (buffer) => new Float64Array(buffer) }],
  ["I64", { dtype: int32, read: (buffer) => new BigInt64Array(buffer) }],
  ["U64", { dtype: int32, read: (buffer) => new BigUint64Array(buffer) }],
  ["U32", { dtype: int32, read: (buffer) => new Uint32Array(buffer) }],
  ["U16", { dtype: int32, read: (buffer) => new Uint16Array(buffer) }],
  ["BOOL", { dtype: uint8, read: (buffer) => new Uint8Array(buffer).map((byte) => byte && 1) }],
]);

/** Options of {@linkcode loadSafetensors}. */
export interface LoadSafetensorsOptions {
  /** Where the tensors go; by default what `init` chose. */
  device?: Device;
  /** Names of tensors to leave out, such as those of a type that is not read. */
  skip?: readonly string[];
}

/** A tensor's elements in a dtype of this library. */
function elementsOf(
  name: string,
  { dtype: formatName, bytes }: SafetensorsEntry,
): { dtype: DType; bytes: Uint8Array } {
  const dtype = byFormatName.get(formatName);
  if (dtype) return { dtype, bytes };
  const conversion = conversions.get(formatName) ?? fail(
    `${
      named(name)
    } has the element type ${formatName}, which has no dtype here; convert it to one of ${
      [...byFormatName.keys(), ...conversions.keys()].join(", ")
    }, or leave it out by the option skip`,
  );
  const { dtype: target, read } = conversion;
  const values = read(bytes.slice().buffer as ArrayBuffer);
  if (!target.isFloat) {
    for (let i = 0; i < values.length; i++) {
      if (values[i] >= target.min && values[i] <= target.max) continue;
      fail(
        `element ${i} of ${named(name)}, of ${formatName}, is ${
          values[i]
        }, which ${target.name} does ` +
          `not hold; convert it, or leave it out by the option skip`,
      );
    }
  }
  return {
    dtype: target,
    bytes: encode(Float64Array.from(values as ArrayLike<number>, Number), target),
  };
}

/**
 * The tensors of a safetensors file, such as a state dict that PyTorch saved.
 *
 * Element types without a dtype here are converted as a cast in PyTorch would: `F64` to float32, `I64`, `U64`,
 * `U32` and `U16` to int32 if all their elements fit, `BOOL` to uint8.
 *
 * @param file the file's bytes.
 * @param options the device, and what to leave out.
 * @throws {SafetensorsError} if the file is not valid, a tensor that is not left out is of a type that is not
 * read or has an element beyond int32, or one that is to be left out is not there.
 *
 * @example
 * ```ts
 * import { loadSafetensors, saveSafetensors, tensor } from "@staticquant/staticquant";
 * const file = await saveSafetensors({ weight: tensor([[1, 2]]), steps: tensor([7]) });
 * const { weight } = loadSafetensors(file, { skip: ["steps"] });
 * console.log(String(weight)); // Tensor(shape=[1, 2], dtype=float32, …)
 * ```
 */
export function loadSafetensors(
  file: Uint8Array,
  options: LoadSafetensorsOptions = {},
): Record<string, Tensor> {
  checkOptions("loadSafetensors", options, ["device", "skip"]);
  const { device, skip = [] } = options;
  const { tensors } = parseSafetensors(file);
  for (const name of skip) {
    if (!tensors.delete(name)) {
      fail(`${named(name)} is to be left out, but the file has none of that name`);
    }
  }
  // All are looked at before the first goes to the device.
  const entries = [...tensors].map(([name, entry]) => {
    return { name, shape: entry.shape, ...elementsOf(name, entry) };
  });
  const state: Record<string, Tensor> = Object.create(null);
  for (const { name, shape, dtype, bytes } of entries) {
    state[name] = tensorFromBytes(bytes, { shape, dtype, device });
  }
  return state;
}

/**
 * The bytes of a safetensors file that holds tensors by name. The same tensors give the same bytes.
 * Waits for the device.
 *
 * @param tensors by name, such as a model's `stateDict()`. Dtypes narrower than a byte are saved as
 * the byte that holds them.
 * @param metadata strings by name, for the file's header.
 *
 * @example
 * ```ts
 * import { Linear, saveSafetensors } from "@staticquant/staticquant";
 * const file = await saveSafetensors(new Linear(8, 4).stateDict(), { source: "example" });
 * console.log(file.byteLength);
 * ```
 */
export async function saveSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Record<string, string> = {},
): Promise<Uint8Array> {
  if (typeof tensors !== "object" || tensors === null || tensors instanceof Promise) {
    throw new TypeError(`saveSafetensors: expected tensors by name, got ${given(tensors)}`);
  }
  for (const [name, t] of Object.entries(tensors)) {
    if (t instanceof Tensor) continue;
    throw new TypeError(`saveSafetensors: ${name} must be a Tensor, got ${given(t)}`);
  }
  const entries = Object.entries(tensors).map(
    async ([name, t]): Promise<[string, SafetensorsEntry]> => {
      const dtype = formatNameOf(t.dtype);
      return [name, { dtype, shape: [...t.shape], bytes: await t.bytes() }];
    },
  );
  return serializeSafetensors(await Promise.all(entries), metadata);
}
