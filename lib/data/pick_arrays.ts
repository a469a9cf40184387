/**
 * Which array of a file is which input.
 *
 * @module
 */
import { fail, quote, short } from "./data_error.ts";
import { describeInput, type TensorInfo } from "./sample.ts";

/** Names of arrays by the names of inputs, as the user gives them; an empty name is the only array. */
export type InputNames = Readonly<Record<string, string>>;

/**
 * The name of the array for each input: the one told in `names`, else the one of the same name, else the
 * only one if the model has one input and the file one array. Arrays that no input wants are left alone.
 *
 * @param where the file, for errors.
 * @throws {DataError} if an input has no array, or a name told is no input's or no array's.
 */
export function pickArrays(
  where: string,
  inputs: readonly TensorInfo[],
  arrays: readonly string[],
  names: InputNames,
): string[] {
  checkNames(where, inputs, names);
  if (arrays.length === 0) fail(where, "the file holds no arrays");
  return inputs.map((input) => {
    const told = Object.hasOwn(names, input.name) ? names[input.name] : undefined;
    if (told) {
      return arrays.includes(told) ? told : fail(
        where,
        `the file holds no ${quote(told)} for ${input.name}; it holds ${list(arrays)}`,
      );
    }
    if (arrays.length === 1 && (inputs.length === 1 || told === "")) return arrays[0];
    if (arrays.includes(input.name)) return input.name;
    fail(
      where,
      `nothing in the file is for the model's input ${describeInput(input)}; it holds ` +
        `${list(arrays)}; name them alike, or say which array ${input.name} takes with \`names\``,
    );
  });
}

/** @throws {DataError} if a name told is no input's. */
export function checkNames(
  where: string,
  inputs: readonly TensorInfo[],
  names: InputNames,
): void {
  const known = inputs.map(({ name }) => name);
  for (const name of Object.keys(names)) {
    if (known.includes(name)) continue;
    fail(where, `the model has no input "${name}"; its inputs are ${list(known)}`);
  }
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => name ? short(name) : "one array without a name");
  return names.length > 8 ? `${shown.join(", ")}, … (${names.length} in all)` : shown.join(", ");
}
