/**
 * The modules of Node's that are used; Deno has them too.
 *
 * @module
 */
import { theProcess } from "./host.ts";

/** Their types. */
interface Builtins {
  "node:crypto": typeof import("node:crypto");
  "node:child_process": typeof import("node:child_process");
  "node:fs": typeof import("node:fs");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:url": typeof import("node:url");
  "node:util": typeof import("node:util");
  "node:zlib": typeof import("node:zlib");
}

/**
 * One of Node's modules, not named in an import so that no bundler looks for it.
 *
 * @throws {HostError} in a browser.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  return theProcess().getBuiltinModule(name) as Builtins[Name];
}
