/**
 * The checksum of zip archives and PNG images.
 *
 * @module
 */
import { builtin } from "./builtins.ts";
import { HOST } from "./host.ts";

/** The polynomial of CRC-32, its bits from the lowest. */
const POLYNOMIAL = 0xedb88320;

let table: Uint32Array | undefined;
let ofHost: typeof plainCrc32 | undefined;

/** What each byte does to the sum. */
function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ POLYNOMIAL : byte >>> 1;
    return byte;
  });
}

/** CRC-32 (ISO 3309), byte by byte. */
export function plainCrc32(bytes: Uint8Array, before: number = 0): number {
  table ??= makeTable();
  let sum = ~before;
  for (const byte of bytes) sum = table[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/**
 * CRC-32 (ISO 3309), by the host where it knows it.
 *
 * @param before the sum of the bytes before these.
 */
export function crc32(bytes: Uint8Array, before: number = 0): number {
  ofHost ??= HOST === "browser" ? plainCrc32 : builtin("node:zlib").crc32;
  return ofHost(bytes, before);
}
