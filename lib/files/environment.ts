/**
 * Variables of the environment, where this program may know them.
 *
 * @module
 */
import { theProcess } from "./host.ts";
import { mayUseVariable } from "./permissions.ts";

/** What a variable says; nothing if it is not set or may not be read. */
export function environmentVariable(name: string): string | undefined {
  return mayUseVariable(name) ? theProcess().env[name] : undefined;
}

/** Sets a variable that says nothing yet, if this program may. */
export function setIfUnset(name: string, value: string): void {
  if (!mayUseVariable(name)) return;
  const { env } = theProcess();
  env[name] ||= value;
}
