/**
 * The licences of what the page brings along.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { root } from "../paths.ts";

/** The folder of the package that a file belongs to; nothing for files of this repository. */
function packageFolder(path: string): string | undefined {
  return path.match(/^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/)?.[0];
}

/** The text of a package's licence. */
async function licenceIn(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(
    await Deno.readTextFile(join(folder, "package.json")),
  );
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const file = names.find((name) => /^licen[cs]e/i.test(name));
  const text = file ? await Deno.readTextFile(join(folder, file)) : "";
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/**
 * Writes the licences of the packages that files belong to, and the project's own before them.
 *
 * @param files those that were bundled or copied, by their paths from the repository's root.
 */
export async function writeLicences(target: string, files: readonly string[]): Promise<void> {
  const folders = files.map((file) => packageFolder(resolve(root, file)));
  const packages = [...new Set(folders.filter((folder) => folder !== undefined))].sort();
  const texts = await Promise.all(packages.map(licenceIn));
  const own = await Deno.readTextFile(join(root, "LICENSE"));
  await Deno.writeTextFile(
    target,
    [`staticquant\n\n${own}`, ...texts].join(`\n${"-".repeat(72)}\n\n`),
  );
}
