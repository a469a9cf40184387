/**
 * What a model consists of, to notice when a part of it is replaced.
 *
 * @module
 */
import { Module } from "../nn/module.ts";

/** A module, or an array that a module has, and what was in it. */
interface Holder {
  readonly holder: object;
  /** In the order of the fields, those of prototypes too. */
  readonly values: readonly unknown[];
  /** Which of them may be any. */
  readonly free: number;
}

/** Every field of every module of a model, and what arrays among them hold. */
export type ModelFields = readonly Holder[];

/** Set by who walks a model; says nothing of what it computes. */
const NAME = "fullName";

function holderOf(holder: object): Holder {
  const keys: string[] = [];
  for (const key in holder) keys.push(key);
  const now = holder as Record<string, unknown>;
  return { holder, values: keys.map((key) => now[key]), free: keys.indexOf(NAME) };
}

/** Whether `value` is an array that may hold modules: data begins with numbers. */
function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && typeof value[0] === "object";
}

/** What a model consists of now. */
export function fieldsOf(model: Module): ModelFields {
  const found: Holder[] = [];
  const seen = new Set<unknown>();
  const visit = (value: unknown) => {
    if (!(value instanceof Module || isList(value)) || seen.has(value)) return;
    seen.add(value);
    const holder = holderOf(value);
    found.push(holder);
    holder.values.forEach(visit);
  };
  visit(model);
  return found;
}

/**
 * Whether a model consists of the same still; allocates nothing, for each forward asks. Fields are read in the order in
 * which `for` finds them, which spares looking at their names.
 */
export function unchanged(fields: ModelFields): boolean {
  for (const { holder, values, free } of fields) {
    const now = holder as Record<string, unknown>;
    let i = 0;
    for (const key in now) {
      if (!Object.is(now[key], values[i]) && i !== free) return false;
      i++;
    }
    if (i !== values.length) return false;
  }
  return true;
}
