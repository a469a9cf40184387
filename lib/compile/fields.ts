/**
 * What a model consists of, to notice when a part of it is replaced.
 *
 * @module
 */
import { Module } from "../nn/module.ts";

/** A module, or an array that a module has, and what was in it. */
interface Holder {
  readonly holder: object;
  /** How many fields it has. */
  readonly count: number;
  readonly keys: readonly string[];
  readonly values: readonly unknown[];
}

/** Every field of every module of a model, and what arrays among them hold. */
export type ModelFields = readonly Holder[];

/** Set by who walks a model; says nothing of what it computes. */
const NAME = "fullName";

function holderOf(holder: object): Holder {
  const entries = Object.entries(holder).filter(([key]) => key !== NAME);
  return {
    holder,
    count: countOf(holder),
    keys: entries.map(([key]) => key),
    values: entries.map(([, value]) => value),
  };
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

/** The number of fields, those of prototypes too; allocates nothing. */
function countOf(holder: object): number {
  let count = 0;
  for (const _ in holder) count++;
  return count;
}

/** Whether a model consists of the same still; allocates nothing, for each forward asks. */
export function unchanged(fields: ModelFields): boolean {
  for (const { holder, count, keys, values } of fields) {
    if (countOf(holder) !== count) return false;
    const now = holder as Record<string, unknown>;
    for (let i = 0; i < keys.length; i++) if (!Object.is(now[keys[i]], values[i])) return false;
  }
  return true;
}
