/**
 * Writing a file so that its name never stands for half of it: the bytes go into a temporary file in the
 * same folder, which takes the name when all of them are on the disk.
 *
 * @module
 */
import {
  changeMode,
  codeOf,
  lstatIfThere,
  OpenFile,
  readFolder,
  readLink,
  removeFile,
  rename,
} from "./disk.ts";
import { FileProblem } from "./file_problem.ts";
import { createLocked, HAS_LOCKS, ifAbandoned, type LockedFile } from "./locked_file.ts";
import { paths } from "./paths.ts";
import { mayUse } from "./permissions.ts";

/** Bytes a write, so that a large file doesn't pass through the system in one piece. */
const CHUNK = 16 << 20;

/** Characters that a temporary file's name has of the name it is to get; the rest of both must fit in 255 bytes. */
const NAME_LENGTH = 48;

/** What the names of temporary files end with whose writers hold a lock. */
const LOCKED = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Links that are followed before they are taken for a circle. */
const MAX_LINKS = 40;

/** A file that is written but does not have its name yet. Disposing of it before removes it. */
export class StagedFile implements AsyncDisposable {
  private committed = false;

  private constructor(
    private readonly temporary: string,
    private readonly file: LockedFile,
    readonly path: string,
  ) {}

  /**
   * Writes bytes into a temporary file and waits until they are on the disk. If that fails, the file is
   * removed again. What earlier runs for the same name left when they were killed is removed before. A link is
   * written through, and a file that is there already keeps its rights.
   *
   * @param path the name that the file is to have.
   * @param parts the bytes, one part after the other.
   * @throws {FileProblem} if the name is that of something else than a file.
   */
  static async write(path: string, parts: Iterable<Uint8Array>): Promise<StagedFile> {
    const { target, mode } = await targetOf(path);
    return await StagedFile.stage(target, mode, parts);
  }

  /**
   * Writes bytes as {@linkcode StagedFile.write} does, for {@linkcode StagedFile.commitAs} to find a name for.
   *
   * @param path where, and about what name.
   * @param parts the bytes, one part after the other.
   * @param owner the file that it belongs to; if that is there, its rights are taken over.
   */
  static async writeBeside(
    path: string,
    parts: Iterable<Uint8Array>,
    owner: string,
  ): Promise<StagedFile> {
    return await StagedFile.stage(path, (await targetOf(owner)).mode, parts);
  }

  private static async stage(
    target: string,
    mode: number | undefined,
    parts: Iterable<Uint8Array>,
  ): Promise<StagedFile> {
    await removeAbandoned(target);
    const staged = await StagedFile.create(target);
    const { file, temporary } = staged;
    try {
      if (mode !== undefined) await changeMode(temporary, mode);
      for (const part of parts) await writeAll(file, part);
      await file.sync();
    } catch (error) {
      await staged.remove();
      throw error;
    }
    return staged;
  }

  /** An empty temporary file that is locked: who finds it can tell that its writer lives. */
  private static async create(path: string): Promise<StagedFile> {
    const { dirname, join } = paths();
    for (;;) {
      const name = `${prefixOf(path)}${crypto.randomUUID()}${HAS_LOCKS ? "" : ".unlocked"}.tmp`;
      const temporary = join(dirname(path), name);
      const file = await createLocked(temporary);
      const staged = new StagedFile(temporary, file, path);
      try {
        // Somebody may have taken it for abandoned just before.
        if (!HAS_LOCKS || await lstatIfThere(temporary)) return staged;
        file.close();
      } catch (error) {
        await staged.remove();
        throw error;
      }
    }
  }

  /** Gives the file its name, in place of one that has it. */
  async commit(): Promise<void> {
    await rename(this.temporary, this.path);
    this.committed = true;
    this.file.close();
    await syncFolder(paths().dirname(this.path));
  }

  /**
   * Gives the file a name in its folder that nothing has.
   *
   * @returns whether it did; if not, something has the name.
   */
  async commitAs(name: string): Promise<boolean> {
    const { dirname, join } = paths();
    const path = join(dirname(this.path), name);
    // Of two who make a file, one fails; renaming alone would let the second replace what the first wrote.
    try {
      (await OpenFile.open(path, "wx")).close();
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      throw error;
    }
    try {
      await rename(this.temporary, path);
    } catch (error) {
      await removeFile(path).catch(() => {});
      throw error;
    }
    this.committed = true;
    this.file.close();
    await syncFolder(dirname(path));
    return true;
  }

  /** Removes the file if it was not given its name. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.committed) await this.remove();
  }

  private async remove(): Promise<void> {
    this.committed = true;
    this.file.close();
    // What kept it from being written is the error to report.
    await removeFile(this.temporary).catch(() => {});
  }
}

/**
 * Removes the temporary files that killed runs left for a name and for names that begin with it and a dot, such
 * as that of a model's data. A run that lives holds a lock on its files, so they stay.
 *
 * Does nothing where the folder may not be read.
 */
export async function removeAbandoned(path: string): Promise<void> {
  const { dirname, join } = paths();
  const folder = dirname(path);
  if (!HAS_LOCKS || !mayUse("read", folder)) return;
  try {
    for (const { name, isFile } of await readFolder(folder)) {
      if (!isFile || !name.startsWith(prefixOf(path)) || !LOCKED.test(name)) continue;
      const temporary = join(folder, name);
      await ifAbandoned(temporary, () => removeFile(temporary)).catch(() => {});
    }
  } catch {
    // The folder is not there, or not to be read; writing says so.
  }
}

/** What the names of the temporary files for a name begin with. */
function prefixOf(path: string): string {
  return `.${[...paths().basename(path)].slice(0, NAME_LENGTH).join("")}.`;
}

/** The file that a name leads to through links, there or not, and the rights of one that is there. */
async function targetOf(path: string): Promise<{ target: string; mode?: number }> {
  let target = path;
  if (!mayUse("read", path)) return { target };
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await lstatIfThere(target);
    if (!found) return { target };
    if (found.isFile) return { target, mode: found.mode & 0o777 };
    if (!found.isSymlink) {
      throw new FileProblem(`${path} is a folder or a device; name a file to write`);
    }
    const next = await readLink(target);
    // Not joined, which would take `..` for the folder that a linked one stands in.
    target = paths().isAbsolute(next) ? next : `${paths().dirname(target)}/${next}`;
  }
  throw new FileProblem(`${path} is a link that leads in a circle; name the file itself`);
}

async function writeAll(file: LockedFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at, at + CHUNK));
}

/** Waits until a folder's new entry is on the disk, where a folder can be opened at all. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using entry = await OpenFile.open(folder || ".", "r");
    await entry.sync();
  } catch {
    // The file is whole either way.
  }
}
