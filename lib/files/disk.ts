/**
 * The file system: Node's functions, which Deno has too. In Deno errors are of its classes.
 *
 * @module
 */
import { builtin } from "./builtins.ts";
import { deno, type DenoHost } from "./host.ts";

/** What is known of a file. */
export interface FileInfo {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  readonly size: number;
  /** When it was last written, in milliseconds. */
  readonly modified: number;
  /** The device that it lies on. */
  readonly dev: number;
  /** Its number on that device; 0 if the system has none. */
  readonly ino: number;
  /** Its kind and rights. */
  readonly mode: number;
  /** Blocks of 512 bytes that it takes; unknown on some systems. */
  readonly blocks: number | undefined;
}

type Stats = import("node:fs").Stats;

function infoOf(stats: Stats): FileInfo {
  const { size, mtimeMs: modified, dev, ino, mode, blocks } = stats;
  const kinds = {
    isFile: stats.isFile(),
    isDirectory: stats.isDirectory(),
    isSymlink: stats.isSymbolicLink(),
  };
  return { ...kinds, size, modified, dev, ino, mode, blocks };
}

/** The classes that Deno has for codes of the system. */
const CLASSES: ReadonlyMap<string, keyof DenoHost["errors"]> = new Map([
  ["ENOENT", "NotFound"],
  ["EEXIST", "AlreadyExists"],
]);

/** An error of this host's for a code of the system's, such as `EEXIST`. */
export function systemError(code: string, message: string, cause?: unknown): Error {
  const name = CLASSES.get(code);
  const Class = name && deno?.errors[name] || Error;
  return Object.assign(new Class(message, { cause }), { code });
}

/** Whether an error says that there is no such file. */
export function isNotFound(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

/** The system's code for what went wrong, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** What Node says of a name with a NUL in it, before the system is asked. */
const NO_NAME = "ERR_INVALID_ARG_VALUE";

function translated(error: unknown): unknown {
  const code = codeOf(error);
  if (code === NO_NAME) return systemError("EINVAL", (error as Error).message, error);
  return deno && code !== undefined && CLASSES.has(code) && error instanceof Error
    ? systemError(code, error.message, error)
    : error;
}

/** Does something with files, with this host's errors. */
function sync<T>(work: (fs: typeof import("node:fs")) => T): T {
  try {
    return work(builtin("node:fs"));
  } catch (error) {
    throw translated(error);
  }
}

/** As {@linkcode sync}, with the functions that give promises. */
async function promised<T>(
  work: (fs: typeof import("node:fs").promises) => Promise<T>,
): Promise<T> {
  try {
    return await work(builtin("node:fs").promises);
  } catch (error) {
    throw translated(error);
  }
}

/** Of a function that calls back, a promise. */
function called<T>(
  work: (fs: typeof import("node:fs"), done: (error: unknown, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    work(
      builtin("node:fs"),
      (error, value) => error ? reject(translated(error)) : resolve(value as T),
    );
  });
}

/** What is under a name, through links. */
export async function stat(path: string): Promise<FileInfo> {
  return infoOf(await promised((fs) => fs.stat(path)));
}

/** What is under a name, through links. */
export function statSync(path: string): FileInfo {
  return infoOf(sync((fs) => fs.statSync(path)));
}

/** What is under a name; a link as such. */
export async function lstat(path: string): Promise<FileInfo> {
  return infoOf(await promised((fs) => fs.lstat(path)));
}

/** What is under a name, a link as such; nothing if nothing is. */
export async function lstatIfThere(path: string): Promise<FileInfo | undefined> {
  return await ifThere(lstat(path));
}

/** What is under a name, through links; nothing if nothing is. */
export async function statIfThere(path: string): Promise<FileInfo | undefined> {
  return await ifThere(stat(path));
}

async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** A name without links. */
export async function realPath(path: string): Promise<string> {
  return await promised((fs) => fs.realpath(path));
}

/** Where a link leads to. */
export async function readLink(path: string): Promise<string> {
  return await promised((fs) => fs.readlink(path));
}

/** What stands in a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** What stands in a folder. */
export async function readFolder(path: string): Promise<FolderEntry[]> {
  const entries = await promised((fs) => fs.readdir(path, { withFileTypes: true }));
  return entries.map((entry) => {
    return { name: entry.name, isFile: entry.isFile(), isDirectory: entry.isDirectory() };
  });
}

/** All bytes of a file. */
export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { buffer, byteOffset, length } = await promised((fs) => fs.readFile(path));
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
}

/** All bytes of a file; nothing if there is none. */
export async function readFileIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return await ifThere(readFile(path));
}

/** A file's text. */
export function readTextSync(path: string): string {
  return sync((fs) => fs.readFileSync(path, "utf8"));
}

/** Makes a folder and those that it stands in. */
export async function makeFolders(path: string): Promise<void> {
  await promised((fs) => fs.mkdir(path, { recursive: true }));
}

/** Removes a file. */
export async function removeFile(path: string): Promise<void> {
  await promised((fs) => fs.unlink(path));
}

/** Removes a folder with all that is in it. */
export async function removeFolder(path: string): Promise<void> {
  await promised((fs) => fs.rm(path, { recursive: true }));
}

/** Gives a file another name, in place of one that has it. */
export async function rename(from: string, to: string): Promise<void> {
  await promised((fs) => fs.rename(from, to));
}

/** Gives a file rights. */
export async function changeMode(path: string, mode: number): Promise<void> {
  await promised((fs) => fs.chmod(path, mode));
}

/** Gives a file a second name, or where that cannot be copies it. */
export async function linkOrCopy(file: string, target: string): Promise<void> {
  await promised((fs) => fs.link(file, target)).catch(() =>
    promised((fs) => fs.copyFile(file, target))
  );
}

/** An open file. */
export class OpenFile implements Disposable {
  private constructor(private readonly fd: number) {}

  /** Opens a file: one that is there to be read (`r`), or a new one to be written (`wx`). */
  static async open(path: string, flags: "r" | "wx"): Promise<OpenFile> {
    return new OpenFile(await called<number>((fs, done) => fs.open(path, flags, done)));
  }

  /** Opens a file to be read. */
  static openSync(path: string): OpenFile {
    return new OpenFile(sync((fs) => fs.openSync(path, "r")));
  }

  /** What is known of it. */
  stat(): FileInfo {
    return infoOf(sync((fs) => fs.fstatSync(this.fd)));
  }

  /** Reads from a place on; returns the number of bytes, 0 at the end. */
  readSync(bytes: Uint8Array, at: number): number {
    return sync((fs) => fs.readSync(this.fd, bytes, 0, bytes.length, at));
  }

  /** Reads from a place on, meanwhile others may work. */
  read(bytes: Uint8Array, at: number): Promise<number> {
    return called<number>((fs, done) => fs.read(this.fd, bytes, 0, bytes.length, at, done));
  }

  /** Writes behind what was written last; returns the number of bytes. */
  write(bytes: Uint8Array): Promise<number> {
    return called<number>((fs, done) => fs.write(this.fd, bytes, 0, bytes.length, null, done));
  }

  /** Waits until all is on the disk. */
  async sync(): Promise<void> {
    await called<void>((fs, done) => fs.fsync(this.fd, done));
  }

  /** Closes it. */
  close(): void {
    sync((fs) => fs.closeSync(this.fd));
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}
