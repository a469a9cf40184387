/**
 * Writing a file so that its name never stands for half of it: the bytes go into a temporary file in the
 * same folder, which takes the name when all of them are on the disk.
 *
 * @module
 */
import { basename, dirname, isAbsolute, join } from "node:path";
import { FileProblem } from "./file_problem.ts";

/** Bytes a write, so that a large file doesn't pass through the system in one piece. */
const CHUNK = 16 << 20;

/** Characters that a temporary file's name has of the name it is to get; the rest of both must fit in 255 bytes. */
const NAME_LENGTH = 48;

/** What the names of temporary files end with. */
const TEMPORARY = /\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Links that are followed before they are taken for a circle. */
const MAX_LINKS = 40;

/** A file that is written but does not have its name yet. Disposing of it before removes it. */
export class StagedFile implements AsyncDisposable {
  private committed = false;

  private constructor(
    private readonly temporary: string,
    private readonly file: Deno.FsFile,
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
    mode: number | null,
    parts: Iterable<Uint8Array>,
  ): Promise<StagedFile> {
    await removeAbandoned(target);
    const staged = await StagedFile.create(target);
    const { file, temporary } = staged;
    try {
      if (mode !== null) await Deno.chmod(temporary, mode);
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
    for (;;) {
      const temporary = join(dirname(path), `${prefixOf(path)}${crypto.randomUUID()}.tmp`);
      const file = await Deno.open(temporary, { write: true, createNew: true });
      const staged = new StagedFile(temporary, file, path);
      try {
        // Where a file system has no locks, nothing is ever taken for abandoned.
        await file.lock(true).catch(() => {});
        // Somebody may have taken it for abandoned just before.
        if (await statOf(temporary)) return staged;
        file.close();
      } catch (error) {
        await staged.remove();
        throw error;
      }
    }
  }

  /** Gives the file its name, in place of one that has it. */
  async commit(): Promise<void> {
    await Deno.rename(this.temporary, this.path);
    this.committed = true;
    this.file.close();
    await syncFolder(dirname(this.path));
  }

  /**
   * Gives the file a name in its folder that nothing has.
   *
   * @returns whether it did; if not, something has the name.
   */
  async commitAs(name: string): Promise<boolean> {
    const path = join(dirname(this.path), name);
    // Of two who make a file, one fails; renaming alone would let the second replace what the first wrote.
    try {
      (await Deno.open(path, { write: true, createNew: true })).close();
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
    try {
      await Deno.rename(this.temporary, path);
    } catch (error) {
      await Deno.remove(path).catch(() => {});
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
    await Deno.remove(this.temporary).catch(() => {});
  }
}

/**
 * Removes the temporary files that killed runs left for a name and for names that begin with it and a dot, such
 * as that of a model's data. A run that lives holds a lock on its files, so they stay.
 *
 * Does nothing where the folder may not be read.
 */
export async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  const { state } = await Deno.permissions.query({ name: "read", path: folder });
  if (state !== "granted") return;
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      if (!isFile || !name.startsWith(prefixOf(path)) || !TEMPORARY.test(name)) continue;
      await removeIfAbandoned(join(folder, name)).catch(() => {});
    }
  } catch {
    // The folder is not there, or not to be read; writing says so.
  }
}

async function removeIfAbandoned(temporary: string): Promise<void> {
  // For writing, which a lock asks for on some systems.
  using file = await Deno.open(temporary, { read: true, write: true });
  if (await file.tryLock(true)) await Deno.remove(temporary);
}

/** What the names of the temporary files for a name begin with. */
function prefixOf(path: string): string {
  return `.${[...basename(path)].slice(0, NAME_LENGTH).join("")}.`;
}

/** What is under a name; undefined if nothing is. */
async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The file that a name leads to through links, there or not, and the rights of one that is there. */
async function targetOf(path: string): Promise<{ target: string; mode: number | null }> {
  let target = path;
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return { target, mode: null };
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await statOf(target);
    if (!found) return { target, mode: null };
    if (found.isFile) return { target, mode: found.mode === null ? null : found.mode & 0o777 };
    if (!found.isSymlink) {
      throw new FileProblem(`${path} is a folder or a device; name a file to write`);
    }
    const next = await Deno.readLink(target);
    // Not joined, which would take `..` for the folder that a linked one stands in.
    target = isAbsolute(next) ? next : `${dirname(target)}/${next}`;
  }
  throw new FileProblem(`${path} is a link that leads in a circle; name the file itself`);
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
