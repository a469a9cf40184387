/**
 * Bytes that stay in their file until they are needed.
 *
 * @module
 */
import { type FileInfo, OpenFile, realPath, stat, statSync } from "./disk.ts";
import { FileProblem } from "./file_problem.ts";

/** Bytes a read, so that a large file does not pass through the system in one piece. */
const CHUNK = 16 << 20;

/** A file that was looked at. What is read from it later is what was there then, or an error. */
export class KnownFile {
  private constructor(
    /** Where it is, without links. */
    readonly path: string,
    private readonly info: FileInfo,
  ) {}

  /** Takes note of how a file is now. */
  static async find(path: string): Promise<KnownFile> {
    const real = await realPath(path);
    return new KnownFile(real, await stat(real));
  }

  /** Bytes that it has. */
  get size(): number {
    return this.info.size;
  }

  /** @throws {FileProblem} if it is another now than it was. */
  check(): void {
    const [then, now] = [this.info, statSync(this.path)];
    const same = then.dev === now.dev && then.ino === now.ino && then.size === now.size &&
      then.modified === now.modified;
    if (!same) throw new FileProblem("it has changed since it was loaded; load it again");
  }

  /**
   * The bytes from `at` on, into all of an array.
   *
   * @throws {FileProblem} if the file has changed.
   */
  readInto(bytes: Uint8Array, at: number): void {
    this.check();
    using file = OpenFile.openSync(this.path);
    for (let done = 0; done < bytes.length;) {
      const read = file.readSync(bytes.subarray(done, done + CHUNK), at + done);
      if (read === 0) throw new FileProblem("it was cut off while it was read");
      done += read;
    }
  }
}

/** A part of a file. */
export class FileBytes {
  /** The bytes from `offset` on, which the file must have. */
  constructor(
    readonly file: KnownFile,
    readonly offset: number,
    readonly length: number,
  ) {}

  /** The bytes, in a buffer of their own. */
  read(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    this.file.readInto(bytes, this.offset);
    return bytes;
  }

  /** The bytes a piece at a time; each is valid until the next is asked for. */
  *pieces(): Generator<Uint8Array<ArrayBuffer>> {
    const buffer = new Uint8Array(Math.min(CHUNK, this.length));
    for (let at = 0; at < this.length; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, this.length - at));
      this.file.readInto(piece, this.offset + at);
      yield piece;
    }
  }
}

/** Bytes in memory or in a file. */
export type Part = Uint8Array | FileBytes;

/** How many bytes parts have together. */
export function lengthOf(parts: Iterable<Part>): number {
  let sum = 0;
  for (const { length } of parts) sum += length;
  return sum;
}

/** The bytes of parts, one piece after the other; each is valid until the next is asked for. */
export function* piecesOf(parts: Iterable<Part>): Generator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof FileBytes) yield* part.pieces();
    else yield part;
  }
}

/** The bytes of parts in one array. */
export function joinParts(parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    if (part instanceof FileBytes) {
      part.file.readInto(bytes.subarray(at, at + part.length), part.offset);
    } else bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
