/**
 * The memory that native code takes.
 *
 * @module
 */
import { deno, platform } from "./host.ts";

/** The C library of most Linux systems. */
const LIBRARY = "libc.so.6";
/** `M_MMAP_THRESHOLD` of its `mallopt`. */
const MMAP_THRESHOLD = -3;
/** Bytes from which on a block is one of the system's. */
const LARGE = 1 << 20;

/**
 * Has the C library give large blocks back to the system as soon as they are freed, as it does until a first one was. It
 * keeps more and more otherwise where sessions of onnxruntime are opened one after the other: 110 MB after
 * those of three forms of a model of 90 MB. Nothing is changed where this cannot be said without asking somebody.
 */
export function giveBackLargeBlocks(): void {
  if (!deno || platform() !== "linux") return;
  if (deno.permissions.querySync({ name: "ffi", path: LIBRARY }).state !== "granted") return;
  try {
    const library = deno.dlopen(LIBRARY, {
      mallopt: { parameters: ["i32", "i32"], result: "i32" },
    });
    library.symbols.mallopt(MMAP_THRESHOLD, LARGE);
    library.close();
  } catch {
    // Another C library has no such setting.
  }
}
