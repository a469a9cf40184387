/**
 * Putting functions of one's own on an object for a while.
 *
 * An object from which a property was deleted is slow ever after, for the engine keeps its fields in a table from then on.
 * So members that the object has of its class are put on a prototype between the two, and nothing is deleted.
 *
 * @module
 */

/** A mark of such prototypes. */
const OVERRIDES = Symbol("overrides");

/** How many there are; mostly none, so that nobody needs to look for them. */
let active = 0;

/**
 * Puts members on an object, not enumerable.
 *
 * @param target any object; its own members of these names are replaced.
 * @param members functions and accessors, by name.
 * @returns what takes them off again; of several in turn, the last first.
 */
export function override(target: object, members: Readonly<Record<string, unknown>>): () => void {
  const ours: PropertyDescriptorMap = {}, theirs: PropertyDescriptorMap = {};
  const old: PropertyDescriptorMap = {};
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(members))) {
    const own = Object.getOwnPropertyDescriptor(target, name);
    if (own) old[name] = own;
    (own ? ours : theirs)[name] = { ...member, enumerable: false, configurable: true };
  }
  const prototype = Object.getPrototypeOf(target);
  if (Object.keys(theirs).length > 0) {
    Object.setPrototypeOf(
      target,
      Object.create(prototype, { ...theirs, [OVERRIDES]: { value: true } }),
    );
    active++;
  }
  Object.defineProperties(target, ours);
  return () => {
    Object.defineProperties(target, old);
    if (Object.keys(theirs).length === 0) return;
    Object.setPrototypeOf(target, prototype);
    active--;
  };
}

/** Whether somebody has put members before those of an object's class. */
export function isOverridden(target: object): boolean {
  return active > 0 && Object.hasOwn(Object.getPrototypeOf(target), OVERRIDES);
}

/** What an object has of its class, whoever has put members before that. */
export function prototypeOf<T extends object>(target: T): T {
  let prototype = Object.getPrototypeOf(target);
  while (Object.hasOwn(prototype, OVERRIDES)) prototype = Object.getPrototypeOf(prototype);
  return prototype;
}
