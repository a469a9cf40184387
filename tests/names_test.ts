import { assertEquals } from "@std/assert";
import * as everything from "../mod.ts";

/** Whether a value is a class. */
function isClass(value: unknown): value is { readonly name: string; readonly prototype: object } {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

Deno.test("every class says its name itself, for minifiers change those in the source", () => {
  const silent: string[] = [];
  for (const [name, value] of Object.entries(everything)) {
    // An error's name is one of its fields.
    if (!isClass(value) || value.prototype instanceof Error) continue;
    const own = Object.getOwnPropertyDescriptor(value, "name");
    // One that the language gave it is not enumerable.
    if (!own?.enumerable || own.value !== name) silent.push(name);
  }
  assertEquals(silent, [], "give them `static readonly name: string = …`");
});
