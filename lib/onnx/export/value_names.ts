/**
 * What inputs, outputs and their open dimensions are called in a file.
 *
 * @module
 */
import { type DynamicAxes, namedAxes } from "./open_plan.ts";
import type { Dims, TracedGraph } from "./traced_graph.ts";

/** Names of inputs and outputs. */
export interface ValueNames {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

/** Names for the places of a list: `input`, or `input_0`, `input_1`, … */
function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => count === 1 ? name : `${name}_${i}`);
}

/** The names that are asked for. */
export interface WishedNames {
  readonly inputNames?: readonly string[];
  readonly outputName?: string;
  readonly outputNames?: readonly string[];
}

/** The names of the inputs; {@linkcode valueNames} checks them. */
export function inputNamesOf(count: number, { inputNames }: WishedNames): readonly string[] {
  return inputNames ?? numbered("input", count);
}

/**
 * The names of inputs and outputs.
 *
 * @throws {RangeError} if they do not fit.
 */
export function valueNames(
  where: string,
  { inputs, outputs }: TracedGraph,
  options: WishedNames,
): ValueNames {
  const { outputName = "output" } = options;
  const inputNames = inputNamesOf(inputs.length, options);
  const outputNames = options.outputNames ?? numbered(outputName, outputs.length);
  const names = [...inputNames, ...outputNames];
  const fits = inputNames.length === inputs.length && outputNames.length === outputs.length;
  if (fits && new Set(names).size === names.length) return { inputNames, outputNames };
  const one = outputs.length === 1 ? "one output" : `${outputs.length} outputs`;
  throw new RangeError(
    `${where}: there are ${inputs.length} inputs and ${one}, which need as many different names, got ${
      inputNames.join(", ") || "none"
    } and ${outputNames.join(", ") || "none"}`,
  );
}

/**
 * Calls the open dimensions of outputs what they are asked to be called.
 *
 * @throws {RangeError} if one is not open, or a name is none of an input or an output.
 */
export function nameDims(
  where: string,
  { outputs }: TracedGraph,
  { inputNames, outputNames }: ValueNames,
  dynamicAxes: DynamicAxes,
): Dims[] {
  const strange = Object.keys(dynamicAxes)
    .find((name) => !inputNames.includes(name) && !outputNames.includes(name));
  if (strange !== undefined) {
    throw new RangeError(
      `${where}: dynamicAxes: ${strange} is no input and no output; these are ${
        [...inputNames, ...outputNames].join(", ")
      }`,
    );
  }
  return outputs.map(({ dtype, dims }, i) => {
    const named = [...namedAxes(where, dynamicAxes, outputNames[i], dims.length) ?? []];
    const fixed = named.find(([axis]) => typeof dims[axis] === "number");
    if (fixed) {
      throw new RangeError(
        `${where}: dynamicAxes: dimension ${fixed[0]} of ${outputNames[i]} is ${
          dims[fixed[0]]
        } whatever the inputs are`,
      );
    }
    return { dtype, dims: named.reduce((all, [axis, name]) => all.with(axis, name), [...dims]) };
  });
}
