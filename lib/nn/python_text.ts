/**
 * Values as Python prints them, for the words of layers that PyTorch has too.
 *
 * @module
 */

/** A whole number, a truth value, nothing, a text or a list of these, as Python's `repr`. */
export function python(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null || value === undefined) return "None";
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) return tuple(value.map(python));
  return String(value);
}

/** A number that is a float in Python, or a list of such: `1.0`, `1e-05`, `(2.0, 1.5)`. */
export function pythonFloat(value: number | readonly number[] | null): string {
  if (value === null) return "None";
  if (typeof value !== "number") return tuple(value.map(pythonFloat));
  const size = Math.abs(value);
  if (size !== 0 && Number.isFinite(value) && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = value.toExponential().split("e");
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function tuple(items: readonly string[]): string {
  return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
}
