/**
 * Files that a command writes.
 *
 * @module
 */
import { lstatIfThere, statIfThere } from "../files/disk.ts";
import { paths } from "../files/paths.ts";
import { mayUse } from "../files/permissions.ts";
import { StagedFile } from "../files/staged_file.ts";
import { CliError, EXIT } from "./cli_error.ts";

/** Paths by what gives them: `--out`, `--data`, `the model`. */
export type NamedPaths = Readonly<Record<string, string | undefined>>;

/**
 * Makes sure that files can be written later, before work is spent on it.
 *
 * @param outputs what is to be written.
 * @param inputs what is read.
 * @throws {CliError} if one is a folder, stands for the file of another or of an input, through links too, or
 * its folder is not there or may not be written.
 */
export async function checkOutputs(outputs: NamedPaths, inputs: NamedPaths): Promise<void> {
  const taken = new Map<string, string>();
  for (const [what, path] of Object.entries(inputs)) {
    const id = path === undefined ? undefined : await fileId(path);
    if (id !== undefined) taken.set(id, what);
  }
  const { basename, dirname } = paths();
  for (const [what, path] of Object.entries(outputs)) {
    if (path === undefined) continue;
    if (path === "" || path.endsWith("/") || (await statIfThere(path))?.isFile === false) {
      refuse(`${path || "an empty name"} is no file; give ${what} the name of one`);
    }
    await checkFolder(path);
    const id = await fileId(path) ?? `${await fileId(dirname(path))}/${basename(path)}`;
    const other = taken.get(id);
    if (other) refuse(`${path} is the file of ${other} too; choose another name for ${what}`);
    taken.set(id, what);
  }
}

/** @throws {CliError} if there is a file at the path and it may not be replaced. */
export async function checkFree(path: string, force: boolean | undefined): Promise<void> {
  if (force || !await lstatIfThere(path)) return;
  refuse(`${path} exists; choose another name, or replace it with --force`);
}

/** @throws {CliError} if the folder of a path is not there or may not be written. */
async function checkFolder(path: string): Promise<void> {
  const folder = paths().dirname(path);
  if (!(await statIfThere(folder))?.isDirectory) {
    refuse(`${path} cannot be written: there is no folder ${folder}`);
  }
  if (!mayUse("write", folder)) {
    refuse(
      `${path} may not be written; run with --allow-write=${folder}, for it gets its name when complete`,
    );
  }
}

/** What tells a file from all others, however it is called; nothing if it is not there. */
async function fileId(path: string): Promise<string | undefined> {
  const info = await statIfThere(path);
  return info && (info.ino ? `${info.dev}:${info.ino}` : path);
}

function refuse(message: string): never {
  throw new CliError(EXIT.failed, message);
}

/** Writes a file that has its name when all of it is there. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await using file = await StagedFile.write(path, [bytes]);
  await file.commit();
}
