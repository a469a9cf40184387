/**
 * Host memory as the reference backend's functions see it.
 *
 * @module
 */
import { decode, type TypedArray } from "../../numbers/encoding.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";

/** Bytes of the host. */
export class CpuBuffer implements DeviceBuffer {
  /** Takes the bytes over. */
  constructor(public bytes: Uint8Array) {}
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
