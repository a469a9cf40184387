/**
 * Type-checks the notebooks, which the kernel does not: the cells of each, pasted into one file.
 *
 * @module
 */
import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { Notebook } from "./clean.ts";
import { cache, notebooks, root } from "./paths.ts";
import { deno } from "./run.ts";

/** All code of a notebook in the order of its cells, with imports that hold wherever the file lies. */
export function pasted(notebook: Notebook, folder: string): string {
  const code = notebook.cells.filter((cell) => cell.cell_type === "code");
  const sources = code.map(({ source }) => Array.isArray(source) ? source.join("") : source);
  const base = pathToFileURL(`${folder}/`);
  return sources.join("\n\n").replace(
    /(from\s+)"(\.{1,2}\/[^"]+)"/g,
    (_, from, path) => `${from}"${new URL(path, base)}"`,
  ) + "\n\nexport {};\n";
}

if (import.meta.main) {
  const files: string[] = [];
  for (const path of notebooks()) {
    const folder = join(cache, "cells", relative(join(root, "notebooks"), dirname(path)));
    await Deno.mkdir(folder, { recursive: true });
    const file = join(folder, basename(path, ".ipynb") + ".ts");
    const notebook = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(file, pasted(notebook, dirname(path)));
    files.push(file);
  }
  const config = ["--config", join(root, "deno.json")];
  if (!(await deno(["check", ...config, ...files])).ok) Deno.exitCode = 1;
}
