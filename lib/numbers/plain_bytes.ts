/**
 * The same bytes as an array of the language's own class, not copied. Node's functions give `Buffer`s, whose
 * `slice` is no copy and may be a part of somebody else's memory.
 */
export function plainBytes<B extends ArrayBufferLike>(bytes: Uint8Array<B>): Uint8Array<B> {
  const { buffer, byteOffset, byteLength } = bytes;
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(buffer, byteOffset, byteLength);
}
