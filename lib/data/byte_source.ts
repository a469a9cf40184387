/**
 * Bytes that are read from front to back, a few at a time.
 *
 * @module
 */
import type { InputFile } from "../files/input_file.ts";
import { fail } from "./data_error.ts";

/** Bytes to be read in order. */
export interface ByteSource {
  /** How many there are in all, by what the file says. */
  readonly length: number;
  /** The next bytes, in a buffer of their own. @throws {DataError} if fewer are left. */
  read(count: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Passes over the next bytes, where that is less work than reading them. */
  skip?(count: number): void;
  /** Stops reading, where something waits for it. */
  close?(): Promise<void>;
}

/** Bytes that are read at a time only to be passed over. */
const PASSED = 1 << 20;

/** Passes over the next bytes of a source. */
export async function passOver(source: ByteSource, count: number): Promise<void> {
  if (source.skip) return source.skip(count);
  for (let left = count; left > 0; left -= PASSED) await source.read(Math.min(left, PASSED));
}

/** A part of an open file. */
export class FileRange implements ByteSource {
  private at: number;

  /** The bytes from `start`; several ranges may share one file. */
  constructor(
    private readonly where: string,
    private readonly file: InputFile,
    private readonly start: number,
    readonly length: number,
  ) {
    this.at = start;
  }

  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const left = this.start + this.length - this.at;
    if (count > left) cutOff(this.where, count, left);
    const { at } = this;
    this.at += count;
    const bytes = await this.file.read(at, count);
    if (bytes.length < count) cutOff(this.where, count, bytes.length);
    return bytes;
  }

  skip(count: number): void {
    const left = this.start + this.length - this.at;
    if (count > left) cutOff(this.where, count, left);
    this.at += count;
  }
}

const CHUNK = 1 << 16;

/** What deflated bytes inflate to. Never more than is asked for is kept, so a bomb does not go off. */
export class Inflated implements ByteSource {
  private readonly reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  private rest: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** Inflates a source; `length` is what its file says it inflates to. */
  constructor(private readonly where: string, source: ByteSource, readonly length: number) {
    let left = source.length;
    const deflated = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        if (left === 0) return controller.close();
        const count = Math.min(left, CHUNK);
        left -= count;
        controller.enqueue(await source.read(count));
      },
    });
    this.reader = deflated.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  }

  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      if (this.rest.length === 0) this.rest = await this.next() ?? cutOff(this.where, count, done);
      const part = this.rest.subarray(0, count - done);
      bytes.set(part, done);
      done += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return bytes;
  }

  /** Stops reading. */
  async close(): Promise<void> {
    await this.reader.cancel().catch(() => {});
  }

  private async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      return (await this.reader.read()).value;
    } catch (cause) {
      fail(this.where, `the compressed data are damaged (${(cause as Error).message})`);
    }
  }
}

/** A sum over bytes, continued from that over those before. */
export type Checksum = (bytes: Uint8Array, before: number) => number;

/** Bytes with the sum that their file gives of them, which is compared when the last are read. */
export class Checked implements ByteSource {
  readonly length: number;
  private done = 0;
  private found = 0;

  /** The bytes of a source that were not read yet. */
  constructor(
    private readonly where: string,
    private readonly source: ByteSource,
    private readonly sum: Checksum,
    private readonly expected: number,
  ) {
    this.length = source.length;
  }

  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.source.read(count);
    this.found = this.sum(bytes, this.found);
    this.done += count;
    if (this.done === this.length && this.found !== this.expected) {
      fail(this.where, "the bytes are not those that were saved, for their checksum is another");
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.source.close?.();
  }
}

/** Bytes that are in memory already. */
export class MemoryBytes implements ByteSource {
  readonly length: number;
  private at = 0;

  /** All of `bytes`. */
  constructor(private readonly where: string, private readonly bytes: Uint8Array) {
    this.length = bytes.length;
  }

  // deno-lint-ignore require-await -- as the others
  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const left = this.length - this.at;
    if (count > left) cutOff(this.where, count, left);
    this.at += count;
    return new Uint8Array(this.bytes.subarray(this.at - count, this.at));
  }

  skip(count: number): void {
    this.at = Math.min(this.at + count, this.length);
  }
}

function cutOff(where: string, wanted: number, left: number): never {
  fail(where, `the file is cut off: ${wanted} more bytes were expected, ${left} are there`);
}
