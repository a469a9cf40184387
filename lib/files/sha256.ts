/**
 * Digests by which contents are told apart (SHA-256, FIPS 180-4).
 *
 * @module
 */
import { builtin } from "./builtins.ts";
import { HOST } from "./host.ts";

/** Bytes of a digest. */
export const DIGEST_BYTES = 32;

/** The digest of bytes that come in parts. In a browser, which digests at once only, they are put together first. */
export async function sha256(parts: Iterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  if (HOST !== "browser") {
    const hash = builtin("node:crypto").createHash("sha256");
    for (const part of parts) hash.update(part);
    return new Uint8Array(hash.digest());
  }
  const all = Array.from(parts, (part) => part.slice());
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Bytes in hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
