/**
 * The packages that the page is bundled with, laid out for a bundler.
 *
 * @module
 */
import { join } from "node:path";
import { packageName } from "../../lib/files/import_package.ts";
import { cache, root } from "../paths.ts";
import { deno } from "../run.ts";

/** What the page imports, by itself or by way of the library. */
const NAMES = [
  "@bufbuild/protobuf",
  "@observablehq/plot",
  "onnx-buf",
  "onnxruntime-web",
  "preact",
];

/** The folder that has `node_modules` with these packages, in the versions of deno.json. */
const folder = join(cache, "web-modules");

/** Installs the packages where that was not done. @returns the folder of packages. */
export async function ensureModules(): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const versions = Object.values(imports as Record<string, string>).map((specifier) =>
    [packageName(specifier), specifier.match(/@([^@/]+)(?:\/[^@]*)?$/)?.[1]] as const
  );
  const dependencies = Object.fromEntries(versions.filter(([name]) => NAMES.includes(name)));
  const wanted = JSON.stringify({ private: true, dependencies }, null, 2);
  const file = join(folder, "package.json");
  const modules = join(folder, "node_modules");
  const known = await Deno.readTextFile(file).catch(() => "");
  if (known === wanted) return modules;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "deno.json"), "{}");
  // Written last, so that an installation that was cut short is done again.
  await Deno.writeTextFile(file, wanted);
  const { ok } = await deno(["install", "--node-modules-dir=auto", "--no-lock"], { cwd: folder });
  if (!ok) {
    await Deno.remove(file);
    throw new Error("the page's packages could not be installed; is the network there?");
  }
  return modules;
}
