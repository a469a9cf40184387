/**
 * The kernels that there are, by the modules that make them, and which of them were run.
 *
 * @module
 */
import { filesIn } from "./folders.ts";
import { root } from "./paths.ts";

const FOLDER = `${root}/lib/backend/webgpu/kernels`;

/** Where a module names what it makes: the first word of a kernel's key. */
const NAMED = /\bkernel\("([^"]+)"/g;

/** Names of kernels, by the modules that make them. */
export async function kernelNames(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const path of filesIn(FOLDER)) {
    const names = [...(await Deno.readTextFile(path)).matchAll(NAMED)].map(([, name]) => name);
    if (names.length > 0) found.set(path.slice(FOLDER.length + 1, -".ts".length), names);
  }
  return new Map([...found].sort(([a], [b]) => a < b ? -1 : 1));
}

/** What a kernel is called, of all names: the longest that its key begins with. */
function nameOf(key: string, names: readonly string[]): string | undefined {
  return names.filter((name) => key === name || key.startsWith(`${name} `))
    .sort((a, b) => b.length - a.length)[0];
}

/**
 * How many kernels of each name are among those that were run.
 *
 * @param modules what {@linkcode kernelNames} gives.
 * @param keys the kernels' keys.
 */
export function countKernels(
  modules: ReadonlyMap<string, readonly string[]>,
  keys: Iterable<string>,
): Map<string, number> {
  const names = [...modules.values()].flat();
  const counts = new Map(names.map((name) => [name, 0]));
  for (const key of keys) {
    const name = nameOf(key, names);
    if (name === undefined) throw new Error(`no module makes a kernel called ${key}`);
    counts.set(name, counts.get(name)! + 1);
  }
  return counts;
}
