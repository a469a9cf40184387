/**
 * Host memory as the reference backend's functions see it.
 *
 * @module
 */
import { decode, type TypedArray } from "../../numbers/encoding.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";

/** Bytes of the host. */
export class CpuBuffer implements DeviceBuffer {
  /** Who reads the bytes without a copy, besides tensors. */
  readers = 0;

  /**
   * Takes the bytes over.
   *
   * @param reuse is called when nobody reads them any more: they may be written again.
   */
  constructor(public bytes: Uint8Array, private reuse?: () => void) {}

  /** Tells whoever lent the bytes, once, when the buffer was freed and nobody reads it. */
  giveBack(): void {
    if (this.readers > 0 || this.bytes.byteLength > 0) return;
    this.reuse?.();
    this.reuse = undefined;
  }

  /** Bytes that the contents take. */
  get byteLength(): number {
    return this.bytes.byteLength;
  }
}

/** The bytes of a buffer, not to be changed. */
export const bytesOf = (buffer: DeviceBuffer): Uint8Array => (buffer as CpuBuffer).bytes;
/** The numbers of an operand; a copy. */
export const valuesOf = (x: Operand): TypedArray => decode(bytesOf(x.buffer), x.dtype);
/** The float32 numbers in a buffer; a copy. */
export const floatsOf = (buffer: DeviceBuffer): Float32Array =>
  new Float32Array(bytesOf(buffer).slice().buffer);
