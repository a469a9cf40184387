/**
 * The packages that the page is bundled with, laid out for a bundler.
 *
 * @module
 */
import { join } from "node:path";
import { ensureNodePackages, pinned } from "../node_packages.ts";
import { cache } from "../paths.ts";

/** What the page imports, by itself or by way of the library. */
const NAMES = [
  "@bufbuild/protobuf",
  "@observablehq/plot",
  "onnx-buf",
  "onnxruntime-web",
  "preact",
];

/** Installs the packages where that was not done. @returns the folder of packages. */
export async function ensureModules(): Promise<string> {
  return await ensureNodePackages(join(cache, "web-modules"), pinned(NAMES));
}
