/**
 * The sample that a calibration keeps, to run the quantized model on.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { elementCount } from "../file/tensor_data.ts";
import type { OnnxElements, OnnxFeed, OnnxFeeds } from "../run/runtime.ts";

/** How elements lie in a file, by the class of their array. Halves are given as numbers or as their bits. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["Float32Array", "F32"],
  ["Float64Array", "F64"],
  ["Float16Array", "U16"],
  ["Uint8Array", "U8"],
  ["Int8Array", "I8"],
  ["Uint16Array", "U16"],
  ["Int16Array", "I16"],
  ["Uint32Array", "U32"],
  ["Int32Array", "I32"],
  ["BigInt64Array", "I64"],
  ["BigUint64Array", "U64"],
]);

const ARRAYS = new Map<string, new (buffer: ArrayBuffer) => OnnxElements>([
  ["F32", Float32Array],
  ["F64", Float64Array],
  ["U8", Uint8Array],
  ["I8", Int8Array],
  ["U16", Uint16Array],
  ["I16", Int16Array],
  ["U32", Uint32Array],
  ["I32", Int32Array],
  ["I64", BigInt64Array],
  ["U64", BigUint64Array],
]);

/** A feed's elements as bytes. */
export async function feedBytes(
  feed: OnnxFeed | Tensor,
): Promise<{ dtype: string; dims: readonly number[]; bytes: Uint8Array }> {
  const host = feed instanceof Tensor ? { data: await feed.data(), dims: feed.shape } : feed;
  const { dims } = host;
  const data: unknown = host.data;
  const dtype = TYPES.get((data as object).constructor.name);
  if (dtype && ArrayBuffer.isView(data)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { dtype, dims, bytes };
  }
  return { dtype: "text", dims, bytes: new TextEncoder().encode(JSON.stringify(data)) };
}

/** A sample as tensors of a file and the names of its inputs; nothing of one that holds text. */
export async function writeSample(
  feeds: OnnxFeeds,
): Promise<{ names: string[]; entries: SafetensorsEntry[] } | undefined> {
  const names = Object.keys(feeds).sort();
  const entries: SafetensorsEntry[] = [];
  for (const name of names) {
    const { dtype, dims, bytes } = await feedBytes(feeds[name]);
    if (dtype === "text") return undefined;
    entries.push({ dtype, shape: [...dims], bytes });
  }
  return { names, entries };
}

/** A sample that was written; nothing if it is none. */
export function readSample(
  names: readonly string[],
  entries: readonly (SafetensorsEntry | undefined)[],
): OnnxFeeds | undefined {
  const feeds: [string, OnnxFeed][] = [];
  for (const [i, name] of names.entries()) {
    const entry = entries[i];
    const Elements = entry && ARRAYS.get(entry.dtype);
    if (!Elements) return undefined;
    const { shape: dims, bytes } = entry;
    const data = new Elements(bytes.slice().buffer as ArrayBuffer);
    if (elementCount(dims) !== data.length) return undefined;
    feeds.push([name, { data, dims }]);
  }
  return Object.fromEntries(feeds);
}
