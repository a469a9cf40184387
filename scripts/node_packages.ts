import { packageName } from "../lib/files/import_package.ts";
import { deno } from "./run.ts";
import config from "../deno.json" with { type: "json" };

/** The versions that deno.json pins packages to, as a package.json has them. */
export function pinned(names: readonly string[]): Record<string, string> {
  const versions = Object.values(config.imports).filter((specifier) => specifier.startsWith("npm:"))
    .map((specifier): [string, string] => {
      // Behind the version may be a path.
      return [packageName(specifier), /@([^@/]+)(?:\/[^@]*)?$/.exec(specifier)![1]];
    });
  return Object.fromEntries(versions.filter(([name]) => names.includes(name)));
}

/** What is being installed, by the folder: several may ask for it at a time. */
const installing = new Map<string, Promise<string>>();

/**
 * Sees to it that packages are in the `node_modules` of a folder, for programs that look there.
 *
 * @param dependencies the packages and their versions.
 * @returns the folder of packages.
 */
export function ensureNodePackages(
  folder: string,
  dependencies: Readonly<Record<string, string>>,
): Promise<string> {
  const known = installing.get(folder);
  if (known) return known;
  const installed = install(folder, dependencies).finally(() => installing.delete(folder));
  installing.set(folder, installed);
  return installed;
}

async function install(
  folder: string,
  dependencies: Readonly<Record<string, string>>,
): Promise<string> {
  const path = `${folder}/package.json`;
  const wanted = JSON.stringify({ type: "module", private: true, dependencies }, null, 2);
  const known = await Deno.readTextFile(path).catch(() => undefined);
  if (known === wanted) return `${folder}/node_modules`;
  await Deno.mkdir(folder, { recursive: true });
  // Of its own, so that none of a folder above is found.
  await Deno.writeTextFile(`${folder}/deno.json`, "{}");
  await Deno.writeTextFile(path, wanted);
  const args = ["install", "--quiet", "--no-lock", "--node-modules-dir=auto"];
  if ((await deno(args, { cwd: folder })).ok) return `${folder}/node_modules`;
  // Not there, so that an installation that was cut short is done again.
  await Deno.remove(path);
  throw new Error(`packages could not be installed into ${folder}; is the network there?`);
}
