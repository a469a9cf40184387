type Bytes = { length: number; [index: number]: number | bigint };

/** Numbers are equal as with `===`, so 0 equals -0; besides, NaN equals NaN. */
function sameScalar(a: unknown, b: unknown): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** A class and its like: objects without a prototype count as plain objects. */
function kind(value: object): unknown {
  return value.constructor ?? Object;
}

/** Bytes or numbers held outside ordinary properties, or nothing. */
function elements(value: object): Bytes | undefined {
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return new Uint8Array(value);
  }
  if (value instanceof DataView) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return ArrayBuffer.isView(value) ? value as unknown as Bytes : undefined;
}

/** Own enumerable keys, symbols included. */
function keysOf(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
}

/** Compares by structure; pairs in `open` are being compared further up (cyclic values). */
function compare(a: unknown, b: unknown, open: Map<object, object>): boolean {
  if (sameScalar(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (kind(a) !== kind(b)) return false;
  if (a instanceof Date) return sameScalar(a.getTime(), (b as Date).getTime());
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError("a WeakMap or WeakSet cannot be compared by structure");
  }
  if (a instanceof WeakRef) return compare(a.deref(), (b as WeakRef<object>).deref(), open);
  if (open.get(a) === b) return true;
  open.set(a, b);
  const [left, right] = [elements(a), elements(b)];
  if (left && right) {
    if (left.length !== right.length) return false;
    for (let i = 0; i < left.length; i++) {
      if (!sameScalar(left[i], right[i])) return false;
    }
    return true;
  }
  if (a instanceof Set || a instanceof Map) {
    return compareCollections(a, b as typeof a, open);
  }
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  // Messages of errors are not enumerable, and yet tell errors apart.
  if (a instanceof Error && (a.message !== (b as Error).message)) return false;
  const keys = keysOf(a);
  if (keys.length !== keysOf(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) && compare(Reflect.get(a, key), Reflect.get(b, key), open)
  );
}

/** Maps and sets are equal whatever their order; keys that are objects compare by structure too. */
function compareCollections(
  a: Set<unknown> | Map<unknown, unknown>,
  b: Set<unknown> | Map<unknown, unknown>,
  open: Map<object, object>,
): boolean {
  if (a.size !== b.size) return false;
  const rest = new Map<unknown, unknown>(b.entries());
  for (const [key, value] of a.entries()) {
    let match = key;
    if (!rest.has(key)) {
      const found = [...rest.keys()].find((other) => compare(key, other, new Map(open)));
      if (found === undefined) return false;
      match = found;
    }
    if (a instanceof Map && !compare(value, rest.get(match), open)) return false;
    rest.delete(match);
  }
  return true;
}

/** Whether two values have equal structure: what `assertEquals` asks. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}
