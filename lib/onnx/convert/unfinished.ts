/**
 * Telling a folder that a killed run left half written: while files are made, one beside them says what is to be there.
 *
 * @module
 */
import { readFileIfThere, removeFile, statIfThere } from "../../files/disk.ts";
import { paths } from "../../files/paths.ts";
import { StagedFile } from "../../files/staged_file.ts";
import { OnnxError } from "../file/onnx_error.ts";

/** The file's name. */
const NAME = ".staticquant-convert.json";
/** Bytes that it never has. */
const TOO_LARGE = 1 << 20;

/** What is in the file. */
interface Notes {
  /** What is being made of what, as a text to compare. */
  readonly plan: string;
  /** Bytes of the files that are whole, by their paths in the folder. */
  readonly done: Readonly<Record<string, number>>;
}

function parsed(bytes: Uint8Array): Notes | undefined {
  try {
    const { plan, done } = JSON.parse(new TextDecoder().decode(bytes));
    const sizes = Object.entries(done ?? {});
    const valid = typeof plan === "string" && sizes.every(([, size]) => Number.isSafeInteger(size));
    return valid ? { plan, done } : undefined;
  } catch {
    return undefined;
  }
}

/** What is done of a conversion, in the folder that it fills. */
export class Unfinished {
  private constructor(
    private readonly folder: string,
    private readonly plan: string,
    private readonly done: Map<string, number>,
    /** Whether an earlier run began it. */
    readonly resumed: boolean,
  ) {}

  /**
   * Looks whether a conversion was stopped in a folder.
   *
   * @param folder may not be there.
   * @param plan what is to be made of what; the same text goes on.
   * @param force begins anew whatever was stopped there.
   * @throws {OnnxError} if another conversion was stopped there.
   */
  static async open(
    where: string,
    folder: string,
    plan: string,
    force: boolean,
  ): Promise<Unfinished> {
    const path = paths().join(folder, NAME);
    const large = ((await statIfThere(path))?.size ?? 0) > TOO_LARGE;
    const bytes = large ? new Uint8Array() : await readFileIfThere(path);
    const notes = bytes && parsed(bytes);
    const same = notes?.plan === plan;
    if (bytes && !same && !force) {
      throw new OnnxError(
        `${where}: ${folder} is half written: another conversion was stopped there, of other files, forms or ` +
          `options; repeat that one to finish it, or begin anew with \`force\`, which replaces its files`,
      );
    }
    const done = new Map(same ? Object.entries(notes.done) : []);
    return new Unfinished(folder, plan, done, same);
  }

  /** Begins, or goes on: from now on the folder, which has to be there, says so. */
  async begin(): Promise<void> {
    await this.write();
  }

  /** Whether nothing was written yet. */
  get isEmpty(): boolean {
    return this.done.size === 0;
  }

  /** Whether an earlier run has written a file, and it is still as long as it was then. */
  async has(path: string): Promise<boolean> {
    const size = this.done.get(path);
    return size !== undefined &&
      (await statIfThere(paths().join(this.folder, path)))?.size === size;
  }

  /** Takes note of files that are whole. */
  async note(files: readonly string[]): Promise<void> {
    for (const path of files) {
      const info = await statIfThere(paths().join(this.folder, path));
      if (info) this.done.set(path, info.size);
    }
    await this.write();
  }

  /** All is there: the folder says nothing of it any more. */
  async finish(): Promise<void> {
    await removeFile(paths().join(this.folder, NAME));
  }

  private async write(): Promise<void> {
    const notes: Notes = { plan: this.plan, done: Object.fromEntries(this.done) };
    const bytes = new TextEncoder().encode(`${JSON.stringify(notes, null, 2)}\n`);
    await using file = await StagedFile.write(paths().join(this.folder, NAME), [bytes]);
    await file.commit();
  }
}
