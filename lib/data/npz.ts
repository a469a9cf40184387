/**
 * NumPy's `.npz` files: zip archives of `.npy` files.
 *
 * @module
 */
import type { InputFile } from "../files/input_file.ts";
import type { ArraySource } from "./array_source.ts";
import { fail, quote, short } from "./data_error.ts";
import { openNpy } from "./npy.ts";
import { readZip } from "./zip.ts";

/** Arrays by name, none of them read. */
export type NpzArrays = ReadonlyMap<string, () => Promise<ArraySource>>;

/**
 * Finds the arrays in an archive, as `numpy.savez` and `numpy.savez_compressed` write it.
 *
 * @param where the file, for errors.
 * @param file the open archive.
 * @throws {DataError} if it is no zip archive, damaged, or a name comes twice.
 */
export async function openNpz(where: string, file: InputFile): Promise<NpzArrays> {
  const arrays = new Map<string, () => Promise<ArraySource>>();
  for (const { name: path, open } of await readZip(where, file)) {
    if (!path.endsWith(".npy")) {
      fail(where, `the archive holds ${quote(path)}, which is no .npy file`);
    }
    const name = path.slice(0, -".npy".length);
    if (arrays.has(name)) fail(where, `the archive holds ${quote(name)} twice`);
    arrays.set(
      name,
      async () => await openNpy(`${where}: ${short(name)}`, name, await open()),
    );
  }
  return arrays;
}
