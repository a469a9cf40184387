/**
 * What this program may do without anybody being asked.
 *
 * @module
 */
import { codeOf } from "./disk.ts";
import { deno, HOST, theProcess } from "./host.ts";

/** What Node calls the rights that its `--permission` takes away. */
const SCOPES: ReadonlyMap<string, string> = new Map([
  ["read", "fs.read"],
  ["write", "fs.write"],
]);

/** Whether a folder or file, or every one, may be read or written. */
export function mayUse(name: "read" | "write", path?: string): boolean {
  if (deno) {
    const { state, partial } = deno.permissions.querySync({ name, path });
    return state === "granted" && !partial;
  }
  if (HOST === "browser") return false;
  return theProcess().permission?.has(SCOPES.get(name)!, path) ?? true;
}

/** Whether native code may be loaded, from some places at least. */
export function mayLoadNativeCode(): boolean {
  return deno?.permissions.querySync({ name: "ffi" }).state.startsWith("granted") ?? true;
}

/** Whether a variable of the environment may be read and set; a browser has none. */
export function mayUseVariable(variable: string): boolean {
  return deno
    ? deno.permissions.querySync({ name: "env", variable }).state === "granted"
    : HOST === "node";
}

/** Whether an error says that this program may not do something, where its user might. */
export function isRefused(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error.name === "NotCapable" || codeOf(error) === "ERR_ACCESS_DENIED";
}
