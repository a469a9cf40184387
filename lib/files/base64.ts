/**
 * Bytes as text.
 *
 * @module
 */

/** Bytes that are turned into characters at once; more would not fit a call's arguments. */
const CHUNK = 1 << 13;

/** Bytes, or a text as UTF-8, in base64. */
export function base64(content: string | Uint8Array): string {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  let characters = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    characters += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(characters);
}
