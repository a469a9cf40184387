/**
 * Telling samples apart by what is in them.
 *
 * @module
 */
import { sha256 } from "../../files/sha256.ts";
import type { OnnxFeeds } from "../run/runtime.ts";
import { feedBytes } from "./first_sample.ts";

/** Bytes that are kept of a sample's digest: two of a billion samples have the same one with 2^-69. */
export const SAMPLE_DIGEST_BYTES = 16;

/** What a sample holds, in a few bytes: names, kinds of elements, shapes and elements. */
export async function sampleDigest(feeds: OnnxFeeds): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const name of Object.keys(feeds).sort()) {
    const { dtype, dims, bytes } = await feedBytes(feeds[name]);
    const text = JSON.stringify([name, dtype, dims, bytes.length]);
    parts.push(new TextEncoder().encode(text), bytes);
  }
  return (await sha256(parts)).subarray(0, SAMPLE_DIGEST_BYTES);
}
