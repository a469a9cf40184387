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
import { type Tensor, tensorFromBytes } from "../tensor/tensor.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  SafetensorsError,
  serializeSafetensors,
} from "../files/safetensors.ts";

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

/**
 * The tensors of a safetensors file, such as a state dict that PyTorch saved.
 *
 * @param file the file's bytes.
 * @param options the device; by default what `init` chose.
 * @throws {SafetensorsError} if the file is not valid, or holds an element type without a dtype here.
 *
 * @example
 * ```ts
 * import { loadSafetensors, saveSafetensors, tensor } from "@staticquant/staticquant";
 * const file = await saveSafetensors({ weight: tensor([[1, 2]]) });
 * console.log(String(loadSafetensors(file).weight)); // Tensor(shape=[1, 2], dtype=float32, …)
 * ```
 */
export function loadSafetensors(
  file: Uint8Array,
  options: { device?: Device } = {},
): Record<string, Tensor> {
  const entries = [...parseSafetensors(file).tensors].map(
    ([name, { dtype: formatName, shape, bytes }]) => {
      const dtype = byFormatName.get(formatName);
      if (!dtype) {
        throw new SafetensorsError(
          `Tensor "${name}" has element type ${formatName}, which has no dtype here; convert it to one of ${
            [...byFormatName.keys()].join(", ")
          }`,
        );
      }
      return { name, shape, bytes, dtype };
    },
  );
  const state: Record<string, Tensor> = Object.create(null);
  for (const { name, ...entry } of entries) {
    state[name] = tensorFromBytes(entry.bytes, { ...entry, device: options.device });
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
  const entries = Object.entries(tensors).map(
    async ([name, t]): Promise<[string, SafetensorsEntry]> => {
      const dtype = formatNameOf(t.dtype);
      return [name, { dtype, shape: [...t.shape], bytes: await t.bytes() }];
    },
  );
  return serializeSafetensors(await Promise.all(entries), metadata);
}
