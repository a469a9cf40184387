/**
 * Folders for files that others are to read for a moment.
 *
 * @module
 */
import { dirname, join } from "node:path";

/** What their names begin with. */
const PREFIX = "staticquant-files-";

/** The file that says by its lock that the folder's owner lives. */
const LOCK = "lock";

/** A folder in the system's place for temporary files. Disposing of it removes it and all that is in it. */
export class ScratchFolder implements AsyncDisposable {
  private constructor(readonly path: string, private readonly lock: Deno.FsFile) {}

  /** Makes an empty one, and removes those of runs that were killed. */
  static async create(): Promise<ScratchFolder> {
    for (;;) {
      const path = await Deno.makeTempDir({ prefix: PREFIX });
      await removeAbandoned(dirname(path)).catch(() => {});
      const lock = await Deno.open(join(path, LOCK), { write: true, createNew: true });
      // Where a file system has no locks, nothing is ever taken for abandoned.
      await lock.lock(true).catch(() => {});
      // Somebody may have taken it for abandoned just before.
      if (await isThere(path)) return new ScratchFolder(path, lock);
      lock.close();
    }
  }

  /** Brings a file in under a name: as a link to the same bytes, or where that cannot be, as a copy. */
  async bring(file: string, name: string): Promise<void> {
    const target = join(this.path, name);
    await Deno.link(file, target).catch(() => Deno.copyFile(file, target));
  }

  /** Writes a file. */
  async write(name: string, pieces: Iterable<Uint8Array>): Promise<void> {
    using file = await Deno.open(join(this.path, name), { write: true, createNew: true });
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
    }
  }

  /** Removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.lock.close();
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Removes the folders whose owners no longer hold their locks. */
async function removeAbandoned(parent: string): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "read", path: parent });
  if (state !== "granted") return;
  for await (const { name, isDirectory } of Deno.readDir(parent)) {
    if (isDirectory && name.startsWith(PREFIX)) {
      await removeIfAbandoned(join(parent, name)).catch(() => {});
    }
  }
}

function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

async function removeIfAbandoned(folder: string): Promise<void> {
  using lock = await Deno.open(join(folder, LOCK), { read: true, write: true });
  if (await lock.tryLock(true)) await Deno.remove(folder, { recursive: true });
}
