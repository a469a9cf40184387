/**
 * What a kernel is to those that run it, and how it is named after what it is made from.
 *
 * @module
 */
import type { Shader } from "./shader.ts";

/** A compute shader: `key` names it, for it is built only when it has not been compiled. */
export interface Kernel {
  readonly key: string;
  readonly shader: () => Shader;
}

/** A spec in plain text, its fields in the order in which they were written. */
function fieldsOf(spec: object): string {
  let text = "";
  for (const field in spec) {
    const value: unknown = spec[field as keyof typeof spec];
    if (value === undefined) continue;
    text += value === true ? ` ${field}` : ` ${field}=${valueOf(value)}`;
  }
  return text;
}

/** A number, a word, something that has a name (a dtype, a tile), or a spec in a spec. */
function valueOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return "name" in value ? String(value.name) : `(${fieldsOf(value).trimStart()})`;
}

/**
 * A kernel that is made from `spec` and nothing else, so that its key, which lists all of it, can
 * forget nothing.
 *
 * @param name what it does.
 * @param spec plain data: numbers, words, booleans, dtypes, tiles, or objects of such.
 * @param build a function of the spec alone: no closure.
 */
export function kernel<S extends object>(
  name: string,
  spec: S,
  build: (spec: S) => Shader,
): Kernel {
  return { key: name + fieldsOf(spec), shader: () => build(spec) };
}
