/**
 * Files that a command writes.
 *
 * @module
 */
import { dirname } from "node:path";
import { StagedFile } from "../files/staged_file.ts";
import { CliError, EXIT } from "./cli_error.ts";

/**
 * Makes sure that a file can be written later, before work is spent on it.
 *
 * @throws {CliError} if its folder is not there or may not be written.
 */
export async function checkFolder(path: string): Promise<void> {
  const folder = dirname(path);
  const isFolder = await Deno.stat(folder).then(({ isDirectory }) => isDirectory, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
  if (!isFolder) {
    throw new CliError(EXIT.failed, `${path} cannot be written: there is no folder ${folder}`);
  }
  const { state } = await Deno.permissions.query({ name: "write", path: folder });
  if (state !== "granted") {
    throw new CliError(
      EXIT.failed,
      `${path} may not be written; run with --allow-write=${folder}, for it gets its name when complete`,
    );
  }
}

/** @throws {CliError} if there is a file at the path and it may not be replaced, or it cannot be written. */
export async function checkTarget(path: string, force: boolean | undefined): Promise<void> {
  await checkFolder(path);
  if (force) return;
  try {
    await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new CliError(
    EXIT.failed,
    `${path} exists; choose another name, or replace it with --force`,
  );
}

/** Writes a file that has its name when all of it is there. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  await using file = await StagedFile.write(path, [bytes]);
  await file.commit();
}

/** The bytes of a file, or nothing if there is none. */
export async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
