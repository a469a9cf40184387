/**
 * A checksum over what a safetensors file holds, which the format has none of.
 *
 * @module
 */
import { crc32 } from "./checksum.ts";
import type { SafetensorsEntry } from "./safetensors.ts";

/** CRC-32 over all texts and tensors of a file by names in order, but for the text `checksum`, in hexadecimal digits. */
export function checksumOf(
  metadata: Readonly<Record<string, string>>,
  tensors: Iterable<[string, SafetensorsEntry]>,
): string {
  const inOrder = <T>([a]: [string, T], [b]: [string, T]) => a < b ? -1 : 1;
  const texts = Object.entries(metadata).filter(([key]) => key !== "checksum").sort(inOrder);
  const encoder = new TextEncoder();
  let sum = crc32(encoder.encode(JSON.stringify(texts)));
  for (const [name, { dtype, shape, bytes }] of [...tensors].sort(inOrder)) {
    sum = crc32(encoder.encode(JSON.stringify([name, dtype, shape])), sum);
    sum = crc32(bytes, sum);
  }
  return sum.toString(16).padStart(8, "0");
}
