/**
 * Bytes in zlib's format (RFC 1950), at once.
 *
 * @module
 */
import { builtin } from "./builtins.ts";
import { HOST } from "./host.ts";

/** Bytes of a block that is stored as it is. */
const BLOCK = 0xffff;

/** As short as the host makes it; browsers compress only by streams, so there it is merely stored. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return HOST === "browser" ? store(bytes) : builtin("node:zlib").deflateSync(bytes, { level: 9 });
}

/** Stored blocks, each after its length and the length's complement. */
export function store(bytes: Uint8Array): Uint8Array {
  const blocks = Math.max(Math.ceil(bytes.length / BLOCK), 1);
  const stored = new Uint8Array(2 + blocks * 5 + bytes.length + 4);
  const view = new DataView(stored.buffer);
  view.setUint16(0, 0x7801);
  let at = 2;
  for (let i = 0; i < blocks; i++) {
    const block = bytes.subarray(i * BLOCK, (i + 1) * BLOCK);
    stored[at] = Number(i === blocks - 1);
    view.setUint16(at + 1, block.length, true);
    view.setUint16(at + 3, ~block.length & 0xffff, true);
    stored.set(block, at + 5);
    at += 5 + block.length;
  }
  view.setUint32(at, adler32(bytes));
  return stored;
}

function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 0x10000 + a;
}
