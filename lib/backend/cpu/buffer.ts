/**
 * Host memory as a backend's buffer, and the numbers in it.
 *
 * @module
 */
import { decode, type TypedArray } from "../../numbers/encoding.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";

/** Bytes in host memory. */
export class CpuBuffer implements DeviceBuffer {
  constructor(public bytes: Uint8Array) {}
  get byteLength(): number {
    return this.bytes.byteLength;
  }
}

/** The bytes themselves. */
export const bytesOf = (buffer: DeviceBuffer): Uint8Array => (buffer as CpuBuffer).bytes;

/** A copy of the numbers. */
export const valuesOf = (x: Operand): TypedArray => decode(bytesOf(x.buffer), x.dtype);

/** A copy of float32 numbers. */
export const floatsOf = (buffer: DeviceBuffer): Float32Array =>
  new Float32Array(bytesOf(buffer).slice().buffer);
