/**
 * Folders for files that others are to read for a moment.
 *
 * @module
 */
import { linkOrCopy, OpenFile, readFolder, removeFolder, statIfThere } from "./disk.ts";
import { createLocked, HAS_LOCKS, ifAbandoned, type LockedFile } from "./locked_file.ts";
import { paths } from "./paths.ts";
import { mayUse } from "./permissions.ts";
import { makeTemporaryFolder } from "./temporary_names.ts";

/** What their names begin with. */
const PREFIX = "staticquant-files-";

/** The file that says by its lock that the folder's owner lives. */
const LOCK = "lock";

/** A folder in the system's place for temporary files. Disposing of it removes it and all that is in it. */
export class ScratchFolder implements AsyncDisposable {
  private constructor(readonly path: string, private readonly lock: LockedFile | undefined) {}

  /** Makes an empty one, and removes those of runs that were killed. */
  static async create(): Promise<ScratchFolder> {
    const { dirname, join } = paths();
    for (;;) {
      const path = await makeTemporaryFolder(PREFIX);
      if (!HAS_LOCKS) return new ScratchFolder(path, undefined);
      await removeAbandoned(dirname(path)).catch(() => {});
      const lock = await createLocked(join(path, LOCK));
      // Somebody may have taken it for abandoned just before.
      if (await statIfThere(path)) return new ScratchFolder(path, lock);
      lock.close();
    }
  }

  /** Brings a file in under a name: as a link to the same bytes, or where that cannot be, as a copy. */
  async bring(file: string, name: string): Promise<void> {
    await linkOrCopy(file, paths().join(this.path, name));
  }

  /** Writes a file. */
  async write(name: string, pieces: Iterable<Uint8Array>): Promise<void> {
    using file = await OpenFile.open(paths().join(this.path, name), "wx");
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
    }
  }

  /** Removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.lock?.close();
    await removeFolder(this.path);
  }
}

/** Removes the folders whose owners no longer hold their locks. */
async function removeAbandoned(parent: string): Promise<void> {
  if (!mayUse("read", parent)) return;
  const { join } = paths();
  for (const { name, isDirectory } of await readFolder(parent)) {
    if (!isDirectory || !name.startsWith(PREFIX)) continue;
    const folder = join(parent, name);
    await ifAbandoned(join(folder, LOCK), () => removeFolder(folder)).catch(() => {});
  }
}
