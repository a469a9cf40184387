/**
 * The graph of a model, found by running it.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Constants, DiffersInConstant, readConstants } from "./constants.ts";
import {
  axesPlan,
  batchPlan,
  type DynamicAxes,
  inputsOfRun,
  type OpenPlan,
  placesOf,
} from "./open_plan.ts";
import { Differs, openSizes } from "./open_sizes.ts";
import { type OpenName, sizeOf, sizeText } from "./size.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { type Trace, trace } from "./trace.ts";
import type { Places } from "./write_steps.ts";

/** A model's graph, and which sizes it leaves open. */
export interface TracedGraph {
  readonly steps: Steps;
  readonly constants: Constants;
  readonly places: Places;
  /** The sizes of inputs and outputs. */
  readonly inputs: readonly Dims[];
  readonly outputs: readonly Dims[];
}

/** A tensor of a file: its sizes, those that stay open by name, and its dtype. */
export interface Dims extends Pick<Tensor, "dtype"> {
  readonly dims: readonly (number | string)[];
}

/** Sizes of values, open where they differ between runs. */
function openDims(runs: readonly Trace["inputs"][], open: readonly OpenName[]): Dims[] {
  return runs[0].map(({ shape, dtype }, i) => ({
    dtype,
    dims: shape.map((_, d) => {
      const size = sizeOf(runs.map((values) => values[i].shape[d]), open);
      return typeof size === "number" ? size : size ? sizeText(size) : `size_${i}_${d}`;
    }),
  }));
}

/**
 * The graph for any of the open sizes.
 *
 * @throws {Differs} if there is none.
 * @throws what the model throws if it does not take the sizes that it is tried with.
 */
async function openGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
  plan: OpenPlan,
): Promise<TracedGraph> {
  const { open } = plan;
  const traces: Trace[] = [];
  try {
    for (let run = 0; run < open[0].inRuns.length; run++) {
      const examples = inputsOfRun(inputs, plan, run);
      try {
        traces.push(trace(where, model, examples));
      } finally {
        examples.forEach((x) => x.dispose());
      }
    }
    const steps = openSizes(traces.map((each) => stepsOf(where, each)), open);
    const constants = await readConstants(where, model, traces[0].backend, steps, open);
    const dims = (key: "inputs" | "outputs") => openDims(traces.map((each) => each[key]), open);
    return {
      ...{ steps, constants, places: placesOf(plan) },
      ...{ inputs: dims("inputs"), outputs: dims("outputs") },
    };
  } finally {
    traces.forEach((each) => each[Symbol.dispose]());
  }
}

/** The graph for any number of samples; undefined if there is none. */
export async function batchGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
): Promise<TracedGraph | undefined> {
  const plan = batchPlan(inputs);
  try {
    return plan && await openGraph(where, model, inputs, plan);
  } catch {
    return undefined; // the example's own sizes say what is wrong
  }
}

/**
 * The graph for the open sizes that are asked for.
 *
 * @throws {TypeError} if they cannot stay open; what does not follow from them is named.
 */
export async function axesGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
  inputNames: readonly string[],
  dynamicAxes: DynamicAxes,
): Promise<TracedGraph> {
  const plan = axesPlan(where, inputs, inputNames, dynamicAxes);
  try {
    return await openGraph(where, model, inputs, plan);
  } catch (error) {
    if (!(error instanceof Differs)) throw error;
    const of = plan.open.map(({ name }) => name).join(", ");
    const what = error instanceof DiffersInConstant
      ? "a constant that it makes is another for other sizes, and not only longer"
      : "what it computes does not follow from them";
    throw new TypeError(
      `${where}: sizes cannot stay open as dynamicAxes asks (${of}): at ${
        error.step || "the model's forward"
      } ${what}; leave fewer open, or give an example of other sizes`,
    );
  }
}

/** The graph for inputs of these sizes alone. */
export async function fixedGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
): Promise<TracedGraph> {
  using found = trace(where, model, inputs);
  const steps = stepsOf(where, found);
  const constants = await readConstants(where, model, found.backend, steps, []);
  const [a, b] = [found.inputs, found.outputs].map((list) =>
    list.map(({ shape, dtype }) => ({ dims: shape, dtype }))
  );
  return { steps, constants, places: new Map(), inputs: a, outputs: b };
}
