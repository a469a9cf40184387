/**
 * Files that are read, at any place.
 *
 * @module
 */
import { type FileInfo, OpenFile, stat } from "./disk.ts";
import { FileProblem } from "./file_problem.ts";

/** Bytes a read, so that a large file does not pass through the system in one piece. */
const CHUNK = 64 << 20;

/** Bytes that are there sooner than another thread could be asked for them. */
const SMALL = 1 << 20;

/** Bytes that a file may claim to have though they are holes. */
const MAX_HOLES = 2 ** 30;
/** What is stored of a larger file at least; a disk that compresses gets along with less than all. */
const MIN_STORED = 1 / 16;

/** Bytes that can be read from any place on. */
export interface Pieces {
  /** Where they are sooner there than another thread could be asked for them. */
  readSync?(bytes: Uint8Array, at: number): number;
  read(bytes: Uint8Array, at: number): Promise<number>;
  close(): void;
}

/** A file that a reader of a page chose. */
class ChosenFile implements Pieces {
  constructor(private readonly file: Blob) {}

  async read(bytes: Uint8Array, at: number): Promise<number> {
    const part = await this.file.slice(at, at + bytes.length).arrayBuffer().catch((cause) => {
      throw new FileProblem("it has changed or gone since it was chosen; choose it again", {
        cause,
      });
    });
    bytes.set(new Uint8Array(part));
    return part.byteLength;
  }

  close(): void {}
}

/**
 * An open file. Nothing is allocated for bytes that it does not have: neither beyond its end, nor for a gigabyte
 * of holes, which take no place on the disk and would take it in memory.
 */
export class InputFile implements Disposable {
  /** The read that is going on; one waits for the other, since they share a place in the file. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly file: Pieces,
    /** Bytes that the file has. */
    readonly size: number,
    /** Bytes that it takes on the disk, where that is known. */
    private readonly stored: number,
  ) {}

  /**
   * Opens a file.
   *
   * @param path where it is, or what a page was given.
   * @throws {FileProblem} if it is a folder or a device, which may never end.
   */
  static async open(path: string | Blob): Promise<InputFile> {
    if (path instanceof Blob) return new InputFile(new ChosenFile(path), path.size, Infinity);
    // Before it is opened: a pipe would wait for somebody to write.
    checkIsFile(await stat(path));
    const file = await OpenFile.open(path, "r");
    try {
      const info = file.stat();
      checkIsFile(info);
      // Blocks are of 512 bytes everywhere.
      return new InputFile(
        file,
        info.size,
        info.blocks === undefined ? Infinity : info.blocks * 512,
      );
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** A file that is read in another way, such as from a server. */
  static of(file: Pieces, size: number): InputFile {
    return new InputFile(file, size, Infinity);
  }

  /**
   * The bytes from `at` on, in a buffer of their own: `count`, or as many as there are.
   *
   * @throws {FileProblem} if they are mostly holes.
   */
  read(at: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const done = this.last.then(() => this.readNow(at, count));
    this.last = done.catch(() => {});
    return done;
  }

  private async readNow(at: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const left = Math.max(Math.min(count, this.size - at), 0);
    this.checkStored(left);
    const bytes = new Uint8Array(left);
    let done = 0;
    while (done < left) {
      const part = bytes.subarray(done, done + CHUNK);
      const from = at + done;
      const read = left <= SMALL && this.file.readSync
        ? this.file.readSync(part, from)
        : await this.file.read(part, from);
      if (read === 0) break; // it was cut off meanwhile
      done += read;
    }
    return done === left ? bytes : bytes.slice(0, done);
  }

  /** @throws {FileProblem} if the file has not stored what so many bytes of it would need. */
  checkStored(count: number): void {
    if (count <= MAX_HOLES || this.stored >= count * MIN_STORED) return;
    throw new FileProblem(
      `${count} bytes of it are wanted, but it has no more than ${this.stored} on the disk: the rest are ` +
        `holes; write or fetch it again`,
    );
  }

  /** The bytes from front to back, a piece at a time. */
  async *pieces(length: number = 1 << 16): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let at = 0; at < this.size;) {
      const bytes = await this.read(at, length);
      if (bytes.length === 0) return;
      at += bytes.length;
      yield bytes;
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.file.close();
  }
}

function checkIsFile({ isFile, isDirectory }: FileInfo): void {
  if (isFile) return;
  throw new FileProblem(
    isDirectory ? "it is a folder and not a file" : "it is a device or a pipe and not a file",
  );
}
