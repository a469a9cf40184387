/**
 * Names that nobody has, in the system's folder for temporary files. Deno knows that without a permission for the
 * environment.
 *
 * @module
 */
import { OpenFile } from "./disk.ts";
import { builtin } from "./builtins.ts";
import { deno } from "./host.ts";

/** Makes a folder, and returns where. */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  if (deno) return await deno.makeTempDir({ prefix });
  const [{ promises }, { join }, { tmpdir }] = [
    builtin("node:fs"),
    builtin("node:path"),
    builtin("node:os"),
  ];
  return await promises.mkdtemp(join(tmpdir(), prefix));
}

/**
 * Makes an empty file, and returns where.
 *
 * @param dir another folder than the system's.
 */
export async function makeTemporaryFile(dir?: string): Promise<string> {
  const suffix = ".tmp";
  if (deno) return await deno.makeTempFile({ dir, prefix: ".", suffix });
  const folder = dir ?? builtin("node:os").tmpdir();
  const path = builtin("node:path").join(folder, `.${crypto.randomUUID()}${suffix}`);
  (await OpenFile.open(path, "wx")).close();
  return path;
}
