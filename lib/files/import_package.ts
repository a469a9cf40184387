/**
 * Importing a package by the name that it has on this host. Names are put together here, out of sight of the module
 * graph: a literal `import("npm:…")` would make Deno fetch the package for every program that imports this
 * library, and onnxruntime-node is more than 100 MB to download. The build for npm has this file with literal names,
 * for bundlers to see.
 *
 * @module
 */
import { HOST, type HostName } from "./host.ts";

/** What a browser has in place of a package, or nothing. */
const IN_BROWSERS: ReadonlyMap<string, string | undefined> = new Map([
  // Without the providers for GPUs, which have no integer kernels.
  ["onnxruntime-node", "onnxruntime-web/wasm"],
  ["sharp", undefined],
  ["webgpu", undefined],
]);

/** The name of a package in a specifier such as `npm:@scope/name@1.0.0`; what is no such one stays. */
export function packageName(specifier: string): string {
  return /^npm:((?:@[^/]+\/)?[^@/]+)/.exec(specifier)?.[1] ?? specifier;
}

/** What a package, or a part of it, is called on a host; nothing if that cannot have it. */
export function nameOn(host: HostName, specifier: string): string | undefined {
  if (host === "deno") return specifier;
  const part = /^npm:(?:@[^/]+\/)?[^@/][^/]*(\/.*)$/.exec(specifier)?.[1] ?? "";
  const name = packageName(specifier) + part;
  return host === "browser" && IN_BROWSERS.has(name) ? IN_BROWSERS.get(name) : name;
}

/** Imports a package, by its specifier in Deno. */
export function importPackage(specifier: string): Promise<unknown> {
  return import(nameOn(HOST, specifier)!);
}
