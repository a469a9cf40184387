/**
 * Swapping modules inside a model.
 *
 * @module
 */
import { Linear } from "./linear.ts";
import { given } from "../numbers/arguments.ts";
import { checkModule, Module, nameModules, setField } from "./module.ts";

/** Says whether a module, known by its full name, is meant. */
export type ModuleFilter = (module: Module, fullName: string) => boolean;

/** The filter of `quantize_` and its like: every `Linear`, and no class derived from it. */
export const isLinear: ModuleFilter = (module: Module): boolean => module.constructor === Linear;

/** A module that is to be swapped, and where it is held. */
export interface Match {
  readonly module: Module;
  readonly fullName: string;
  readonly parent: Module;
  readonly field: string;
}

/** The topmost modules that pass the filter; `where` opens the error for a matching root. */
export function findMatches(model: Module, filter: ModuleFilter, where: string): Match[] {
  checkModule(where, model);
  if (typeof filter !== "function") {
    throw new TypeError(
      `${where}: the filter must be a function of a module and its full name, got ${given(filter)}`,
    );
  }
  if (filter(model, "")) {
    throw new Error(
      `${where}: the model itself is a module to swap, which cannot be done in place; put it into a ` +
        `Sequential first`,
    );
  }
  const matches: Match[] = [];
  const visit = (parent: Module, prefix: string) => {
    for (const [field, module] of parent.namedChildren()) {
      const fullName = prefix + field;
      module.fullName = fullName; // for the messages of what is done to it
      if (filter(module, fullName)) matches.push({ module, fullName, parent, field });
      else visit(module, `${fullName}.`);
    }
  };
  visit(model, "");
  return matches;
}

/** Puts `replacements` in the places of `matches`. */
export function swap(
  model: Module,
  matches: readonly Match[],
  replacements: readonly Module[],
): void {
  matches.forEach(({ parent, field }, i) => setField(parent, field, replacements[i]));
  nameModules(model);
}

/**
 * Replaces, in place, every module that passes a filter by what a function makes of it.
 *
 * @param model where to look; the model itself cannot be replaced.
 * @param replacementFn makes the new module; if it throws, nothing is replaced.
 * @param filterFn says which modules are meant, by module and full name.
 * @returns the full names of the replaced modules.
 * @throws {Error} if the model itself passes the filter.
 *
 * @example
 * ```ts
 * import { Linear, ReLU, replaceWithCustomFnIfMatchesFilter_, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(4, 4), act: new ReLU() });
 * const names = replaceWithCustomFnIfMatchesFilter_(m, () => new ReLU(), (_, name) => name === "fc");
 * console.log(names); // [ "fc" ]
 * ```
 */
export function replaceWithCustomFnIfMatchesFilter_(
  model: Module,
  replacementFn: (module: Module) => Module,
  filterFn: ModuleFilter,
): string[] {
  const matches = findMatches(model, filterFn, "replaceWithCustomFnIfMatchesFilter_");
  const made = new Map<Module, Module>(); // so that a layer in two places stays one
  for (const { module, fullName } of matches) {
    if (made.has(module)) continue;
    const replacement: unknown = replacementFn(module);
    if (!(replacement instanceof Module)) {
      throw new TypeError(
        `replaceWithCustomFnIfMatchesFilter_: the function must make a Module of ${fullName}, got ${
          given(replacement)
        }; nothing was replaced`,
      );
    }
    made.set(module, replacement);
  }
  swap(model, matches, matches.map(({ module }) => made.get(module)!));
  return matches.map(({ fullName }) => fullName);
}
