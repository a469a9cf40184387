/**
 * Which modules read what another one gives, as far as what holds them tells.
 *
 * @module
 */
import type { Module } from "./module.ts";

/** A module that knows how its children are chained. */
export interface Chain {
  /**
   * The fields of the children that read what a child gives, and `""` if it is given outside; undefined where that is
   * not known.
   */
  readersOf(field: string): readonly string[] | undefined;
}

/** Where what a module gives goes: to another module, to whoever runs the model, or it is not known where. */
export type Reader = { readonly name: string; readonly module: Module } | "the caller" | "unknown";

/** The readers of a module's output in a model, by its full name. */
export function readersIn(model: Module): (fullName: string) => Reader[] {
  const modules = new Map(model.namedModules());
  const visit = (name: string): Reader[] => {
    if (name === "") return ["the caller"];
    const at = name.lastIndexOf(".");
    const prefix = name.slice(0, Math.max(at, 0));
    const parent = modules.get(prefix) as Module & Partial<Chain>;
    const fields = parent.readersOf?.(name.slice(at + 1));
    if (!fields) return ["unknown"];
    return fields.flatMap((field) => {
      if (field === "") return visit(prefix);
      const reader = prefix ? `${prefix}.${field}` : field;
      return [{ name: reader, module: modules.get(reader)! }];
    });
  };
  return visit;
}
