import { checkChildName, type Module } from "../../nn/module.ts";

/** Whether a child may have the name. */
function isLegal(parent: Module, name: string): boolean {
  try {
    checkChildName(parent, name);
    return !(name in parent);
  } catch {
    return false;
  }
}

/**
 * Names for a module's children like those of nodes: dots become `_`, for they stand between the names of modules; a
 * number gets the operator's name in front, so that children keep their order; and what is taken gets a
 * number.
 */
export class ChildNames {
  private readonly taken = new Set<string>();
  /** The number to try next for a wish, so that many equal ones don't try all. */
  private readonly next = new Map<string, number>();

  /** Names of children that `parent` will get. */
  constructor(private readonly parent: Module) {}

  /** A name for a node; taken from now on. */
  name(wish: string, opType: string): string {
    const plain = wish.replaceAll(".", "_");
    const base = plain === "" || /^\d+$/.test(plain) ? `${opType}${plain && `_${plain}`}` : plain;
    let name = base;
    let i = this.next.get(base) ?? 1;
    for (; this.taken.has(name) || !isLegal(this.parent, name); i++) name = `${base}_${i}`;
    this.next.set(base, i);
    this.taken.add(name);
    return name;
  }
}
