/**
 * Writing a file so that its name never stands for half of it: the bytes go into a temporary file in the
 * same folder, which takes the name when all of them are on the disk.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";

/** Bytes a write, so that a large file doesn't pass through the system in one piece. */
const CHUNK = 16 << 20;

/** A file that is written but does not have its name yet. Disposing of it before removes it. */
export class StagedFile implements AsyncDisposable {
  private committed = false;

  private constructor(private readonly temporary: string, readonly path: string) {}

  /**
   * Writes bytes into a temporary file and waits until they are on the disk. If that fails, the file is
   * removed again.
   *
   * @param path the name that the file is to have.
   * @param parts the bytes, one part after the other.
   */
  static async write(path: string, parts: Iterable<Uint8Array>): Promise<StagedFile> {
    const temporary = join(dirname(path), `.${start(basename(path))}.${crypto.randomUUID()}.tmp`);
    const staged = new StagedFile(temporary, path);
    try {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      for (const part of parts) await writeAll(file, part);
      await file.sync();
    } catch (error) {
      await staged.remove();
      throw error;
    }
    return staged;
  }

  /** Gives the file its name, in place of one that has it. */
  async commit(): Promise<void> {
    await Deno.rename(this.temporary, this.path);
    this.committed = true;
    await syncFolder(dirname(this.path));
  }

  /** Removes the file if it was not given its name. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.committed) await this.remove();
  }

  private async remove(): Promise<void> {
    // What kept it from being written is the error to report.
    await Deno.remove(this.temporary).catch(() => {});
  }
}

/** As much of a name as leaves room for more: a name may take 255 bytes. */
function start(name: string): string {
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(200));
  return name.slice(0, read);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at, at + CHUNK));
}

/** Waits until a folder's new entry is on the disk, where a folder can be opened at all. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using entry = await Deno.open(folder || ".");
    await entry.sync();
  } catch {
    // The file is whole either way.
  }
}
