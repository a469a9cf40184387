/**
 * Tensors of one element whose number is known beforehand, as the constants of files are: an expression takes
 * the number itself, and reads no memory for it.
 *
 * @module
 */
import { type Argument, type Expression, kindOf, numberOf } from "../backend/expression.ts";
import type { Tensor } from "./tensor.ts";

const known = new WeakMap<Tensor, number>();

/** Has expressions take `value` for a tensor of one element, which must hold just that. */
export function setKnownNumber(t: Tensor, value: number): void {
  known.set(t, value);
}

/**
 * An expression over some tensors without those whose numbers are known; the same one if there are none, or
 * no others.
 */
export function withKnownNumbers(
  expression: Expression,
  tensors: readonly Tensor[],
  tables: ReadonlySet<number>,
): { readonly expression: Expression; readonly tensors: readonly Tensor[] } {
  const numbers = tensors.map((t, n) => tables.has(n) ? undefined : known.get(t));
  const rest = tensors.filter((_, n) => numbers[n] === undefined);
  const read = rest.length > tables.size;
  if (!read || rest.length === tensors.length) return { expression, tensors };
  const constants = [...expression.constants];
  const places = tensors.map((t, n): Argument => {
    const value = numbers[n];
    if (value === undefined) return `x${rest.indexOf(t)}`;
    return `${kindOf(t.dtype) === "float" ? "f" : "i"}${constants.push(value) - 1}`;
  });
  const steps = expression.steps.map(([name, ...args]) =>
    [name, ...args.map((arg) => arg[0] === "x" ? places[numberOf(arg)] : arg)] as const
  );
  return { expression: { steps, constants }, tensors: rest };
}
