/**
 * Files that something else writes for us, and that are gone afterwards.
 *
 * @module
 */

import { readFile, removeFile } from "./disk.ts";
import { environmentVariable } from "./environment.ts";
import { HOST } from "./host.ts";
import { mayUse } from "./permissions.ts";
import { makeTemporaryFile } from "./temporary_names.ts";

/** Whether a folder, or else every one, may be read and written without asking anybody. */
function isFree(path?: string): boolean {
  return mayUse("read", path) && mayUse("write", path);
}

/** A file of a name that nobody else uses; disposing of it removes it. */
export class TemporaryFile implements AsyncDisposable {
  private constructor(
    /** Where it lies. */
    readonly path: string,
  ) {}

  /**
   * Makes one in the system's folder for such, or if that is not open to this program, in another.
   *
   * @param folder the other.
   * @returns nothing if no file can be made without asking for a permission.
   */
  static async create(folder?: string): Promise<TemporaryFile | undefined> {
    if (HOST === "browser") return undefined;
    // The system's folder, as it is known without its name and by it.
    for (const dir of [undefined, environmentVariable("TMPDIR"), folder]) {
      if (!isFree(dir)) continue;
      try {
        return new TemporaryFile(await makeTemporaryFile(dir));
      } catch {
        return undefined; // a full disk, or no such folder
      }
    }
  }

  /** What was written. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return await readFile(this.path);
  }

  /** Removes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeFile(this.path).catch(() => {});
  }
}
