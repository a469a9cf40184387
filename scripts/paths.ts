import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root: string = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

/** What the scripts install and generate for this checkout; git ignores it. */
export const cache: string = join(root, ".cache");

/** The checkout's notebooks, those in English first, each language in order of name. */
export function notebooks(): string[] {
  return ["", "zh"].flatMap((language) => {
    const folder = join(root, "notebooks", language);
    return [...Deno.readDirSync(folder)]
      .filter((entry) => entry.isFile && entry.name.endsWith(".ipynb"))
      .map((entry) => join(folder, entry.name))
      .sort();
  });
}
