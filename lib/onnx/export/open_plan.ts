/**
 * Which sizes of its inputs a model is tried with, to tell which sizes of its graph follow from them.
 *
 * @module
 */
import { formatShape } from "../../numbers/shape.ts";
import { type Tensor, zeros } from "../../tensor/tensor.ts";
import type { OpenName } from "./size.ts";
import type { Places } from "./write_steps.ts";

/**
 * The dimensions that stay open and what they are called, by the names of inputs: `{ ids: { 0: "batch", 1: "length" } }`,
 * as `dynamic_axes` of `torch.onnx.export`. Dimensions of one name are of one size. Outputs may be named too, to say
 * what their open dimensions are called.
 */
export type DynamicAxes = Readonly<Record<string, Readonly<Record<number, string>>>>;

/** A dimension of an input that stays open. */
interface OpenAxis {
  readonly input: number;
  readonly axis: number;
  readonly name: string;
}

/** What is open, and where. */
export interface OpenPlan {
  readonly open: readonly OpenName[];
  readonly axes: readonly OpenAxis[];
}

/** What the number of samples is called. */
const BATCH = "batch";

/** The sizes that are tried where those of an example do not matter. */
const [MANY, FEWER] = [3, 2];

/** The plan for any number of samples: the first dimension of the inputs that have as many as the first one. */
export function batchPlan(inputs: readonly Tensor[]): OpenPlan | undefined {
  if (inputs.length === 0 || inputs[0].ndim < 2) return undefined;
  const axes = inputs.flatMap(({ shape }, input) =>
    shape.length > 1 && shape[0] === inputs[0].shape[0] ? [{ input, axis: 0, name: BATCH }] : []
  );
  return { axes, open: [{ name: BATCH, inRuns: [MANY, FEWER], isLargest: false }] };
}

/** The axes that are asked for, checked. */
function axesOf(where: string, given: unknown, rank: number): [number, string][] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TypeError(
      `${where}: takes the dimensions with their names, such as { 0: "batch", 1: "length" }`,
    );
  }
  return Object.entries(given).map(([key, name]) => {
    const axis = Number(key);
    if (!(Number.isInteger(axis) && axis >= 0 && axis < rank)) {
      throw new RangeError(`${where}: ${key} is no dimension of a tensor that has ${rank}`);
    }
    if (typeof name !== "string" || !/^[A-Za-z_]\w*$/.test(name)) {
      throw new TypeError(
        `${where}: the name of dimension ${key} must be a word, such as "length", got ${
          JSON.stringify(name)
        }`,
      );
    }
    return [axis, name];
  });
}

/** What is asked for of one value by name; undefined if nothing is. */
export function namedAxes(
  where: string,
  dynamicAxes: DynamicAxes,
  name: string,
  rank: number,
): Map<number, string> | undefined {
  if (!Object.hasOwn(dynamicAxes, name)) return undefined;
  return new Map(axesOf(`${where}: dynamicAxes: ${name}`, dynamicAxes[name], rank));
}

/**
 * The plan for dimensions that are asked for.
 *
 * @param where opens the errors.
 * @throws {RangeError} if one name is given to dimensions of other sizes, or no input is named.
 * @throws {TypeError} if something else is given than dimensions and names.
 */
export function axesPlan(
  where: string,
  inputs: readonly Tensor[],
  names: readonly string[],
  dynamicAxes: DynamicAxes,
): OpenPlan {
  const axes = names.flatMap((input, i) =>
    [...namedAxes(where, dynamicAxes, input, inputs[i].ndim) ?? []]
      .map(([axis, name]) => ({ input: i, axis, name }))
  );
  if (axes.length === 0) {
    throw new RangeError(
      `${where}: dynamicAxes names no dimension of an input; inputs are ${names.join(", ")}`,
    );
  }
  const sizes = new Map<string, number>();
  for (const { input, axis, name } of axes) {
    const size = inputs[input].shape[axis];
    if (size !== (sizes.get(name) ?? size)) {
      throw new RangeError(
        `${where}: dynamicAxes: ${name} is ${
          sizes.get(name)
        } in one example and ${size} in dimension ${axis} of ` +
          `${names[input]}, ${
            formatShape(inputs[input].shape)
          }; sizes of one name must be the same`,
      );
    }
    sizes.set(name, size);
  }
  const open = [...sizes].map(([name, size], i) => {
    const isLargest = size >= MANY;
    // Far from each other, so that what takes a few pixels together tells them apart; the last as no others are.
    const [first, other] = isLargest ? [size, Math.ceil(size / 2)] : [MANY, FEWER];
    const ofRun = (run: number) => run === i + 1 ? other : first;
    const runs = Array.from({ length: sizes.size + 1 }, (_, run) => ofRun(run));
    return { name, inRuns: [...runs, first - 1], isLargest };
  });
  return { axes, open };
}

/** The inputs of a run: zeros, as what is computed with does not tell what is computed. */
export function inputsOfRun(
  inputs: readonly Tensor[],
  { open, axes }: OpenPlan,
  run: number,
): Tensor[] {
  return inputs.map(({ shape, dtype, device }, i) => {
    const sizes = [...shape];
    for (const { input, axis, name } of axes) {
      if (input === i) sizes[axis] = open.find((each) => each.name === name)!.inRuns[run];
    }
    return zeros(sizes, { dtype, device });
  });
}

/** Where each open size stands. */
export function placesOf({ axes }: OpenPlan): Places {
  return new Map(axes.toReversed().map(({ name, input, axis }) => [name, { input, axis }]));
}
