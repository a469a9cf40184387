/**
 * Files that something else writes for us, and that are gone afterwards.
 *
 * @module
 */

/** Whether a folder, or else every one, may be read and written without asking anybody. */
async function isFree(path?: string): Promise<boolean> {
  for (const name of ["read", "write"] as const) {
    const { state, partial } = await Deno.permissions.query({ name, path });
    if (state !== "granted" || partial) return false;
  }
  return true;
}

/** The system's folder for temporary files, if this program may know it and it is not the usual one. */
async function systemFolder(): Promise<string | undefined> {
  const variable = "TMPDIR";
  const { state } = await Deno.permissions.query({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
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
    for (const dir of [undefined, await systemFolder(), folder]) {
      if (dir === undefined ? !await isFree() : !await isFree(dir)) continue;
      try {
        return new TemporaryFile(await Deno.makeTempFile({ dir, prefix: ".", suffix: ".tmp" }));
      } catch {
        return undefined; // a full disk, or no such folder
      }
    }
  }

  /** What was written. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return await Deno.readFile(this.path);
  }

  /** Removes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
  }
}
