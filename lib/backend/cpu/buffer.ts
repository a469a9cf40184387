/**
 * Host memory as the reference backend's functions see it.
 *
 * @module
 */
import { decode, type TypedArray } from "../../numbers/encoding.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";

/** What freed buffers hold. */
const NOTHING = new Uint8Array(0);

/** Bytes of the host. */
export class CpuBuffer implements DeviceBuffer {
  /** Who reads the bytes without a copy, besides tensors. */
  private readers = 0;
  private view: Float32Array<ArrayBuffer> | undefined;

  /**
   * Takes the bytes over.
   *
   * @param reuse is called when nobody reads them any more: they may be written again.
   */
  constructor(public bytes: Uint8Array, private reuse?: () => void) {}

  /** The bytes as float32 numbers, not copied. */
  get floats(): Float32Array<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return this.view ??= new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
  }

  /** Has the bytes left as they are, for somebody who reads them later. */
  borrow(): void {
    this.readers++;
  }

  /** Ends what {@linkcode CpuBuffer.borrow} began. */
  letGo(): void {
    this.readers--;
    this.giveBack();
  }

  /** Lets go of the bytes; whoever reads them still may. */
  free(): void {
    this.bytes = NOTHING;
    this.view = undefined;
    this.giveBack();
  }

  /** Tells whoever lent the bytes, once, when the buffer was freed and nobody reads it. */
  private giveBack(): void {
    if (!this.reuse || this.readers > 0 || this.bytes.byteLength > 0) return;
    this.reuse();
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
