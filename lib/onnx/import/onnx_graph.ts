/**
 * A graph whose nodes are modules.
 *
 * @module
 */
import type { Backend } from "../../backend/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { isOnHost, uploaded } from "./node/host_values.ts";
import { OnnxNode } from "./onnx_node.ts";

/** Where a step finds an input. */
export type Source =
  | { readonly from: "nowhere" }
  /** What a step made, or an input; brought to the device if it is on the host. */
  | { readonly from: "slot"; readonly slot: number; readonly upload: boolean }
  /** A field of the graph's `constants`, on the device. */
  | { readonly from: "constants"; readonly field: string }
  /** A constant on the host. */
  | { readonly from: "host"; readonly tensor: Tensor };

/** One node: which child computes it, on what, and what becomes of it. */
export interface Step {
  /** The field that holds the module. */
  readonly child: string;
  /** How messages call the node. */
  readonly label: string;
  readonly inputs: readonly Source[];
  /** The slots of the outputs; −1 for one that nothing reads. */
  readonly outputs: readonly number[];
  /** The slots that nothing reads afterwards. */
  readonly last: readonly number[];
  /** Whether it is computed on the host. */
  readonly onHost: boolean;
}

/** How a graph is computed: data, the same for all copies of its module. */
export interface Plan {
  /** Slots that there are; the first are the inputs'. */
  readonly slots: number;
  readonly inputs: number;
  readonly steps: readonly Step[];
  readonly outputs: readonly Source[];
}

/** Holds the constants of a graph that are no layer's. */
export class OnnxConstants extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxConstants";

  /** Constants compute nothing. @throws {Error} always. */
  override forward(): Tensor {
    throw new Error(`${this.displayName}: constants compute nothing; call the model`);
  }

  /** How many there are. */
  override extraRepr(): string {
    const tensors = Object.keys(this.stateDict()).length;
    return `${tensors} tensor${tensors === 1 ? "" : "s"}`;
  }
}

/** A module that computes a graph, whose children are its nodes. */
export interface GraphModule extends Module {
  /** Constants that are no layer's. */
  readonly constants: OnnxConstants;
  /** What is computed in which order. */
  readonly plan: Plan;
}

/** The plan of a graph that is not built yet. */
export const NO_PLAN: Plan = { slots: 0, inputs: 0, steps: [], outputs: [] };

/** The constants of a plan that are kept on the host, which no state dict has. */
export function hostConstants({ steps, outputs }: Plan): Tensor[] {
  const sources = [...steps.flatMap(({ inputs }) => inputs), ...outputs];
  return sources.flatMap((source) => source.from === "host" ? [source.tensor] : []);
}

/**
 * Computes the outputs of a graph. What lies between is freed as soon as nothing reads it.
 *
 * @param inputs in order.
 * @param backend where it is computed.
 */
export function computeGraph(
  graph: GraphModule,
  inputs: readonly Tensor[],
  backend: Backend,
): Tensor[] {
  const { plan } = graph;
  const values: (Tensor | undefined)[] = [...inputs];
  const find = (source: Source) => valueOf(graph, source, values, backend);
  for (const step of plan.steps) {
    const read = step.inputs.map(find);
    const made = computeStep(graph, step, read, backend);
    read.forEach((x, i) => {
      if (isUpload(step.inputs[i], x, values)) x!.dispose();
    });
    step.outputs.forEach((slot, i) => {
      if (slot < 0) made[i]?.dispose();
      else values[slot] = read.includes(made[i]) ? view(made[i]) : made[i];
    });
    for (const slot of step.last) {
      if (slot >= plan.inputs) values[slot]?.dispose();
      values[slot] = undefined;
    }
  }
  return plan.outputs.map((source) => {
    const found = find(source)!;
    return isUpload(source, found, values) ? found : view(found);
  });
}

/** The field of a module that a plan names. */
function field<T>(module: Module, name: string): T {
  return (module as unknown as Record<string, T>)[name];
}

function valueOf(
  graph: GraphModule,
  source: Source,
  values: readonly (Tensor | undefined)[],
  backend: Backend,
): Tensor | undefined {
  switch (source.from) {
    case "nowhere":
      return undefined;
    case "host":
      return source.tensor;
    case "constants":
      return field(graph.constants, source.field);
    case "slot": {
      const value = values[source.slot]!;
      const moves = source.upload && backend.device !== "cpu" && isOnHost(value);
      return moves ? uploaded(value, backend) : value;
    }
  }
}

function computeStep(
  graph: GraphModule,
  step: Step,
  inputs: readonly (Tensor | undefined)[],
  backend: Backend,
): readonly Tensor[] {
  const child = field<Module>(graph, step.child);
  try {
    return child instanceof OnnxNode
      ? child.run(inputs, step.onHost ? backendFor("cpu") : backend)
      : [child.forward(...inputs as Tensor[])];
  } catch (error) {
    throw told(step.label, error);
  }
}

/** Whether a tensor was brought to the device for one step alone. */
function isUpload(
  source: Source,
  t: Tensor | undefined,
  values: readonly (Tensor | undefined)[],
): boolean {
  return source.from === "slot" && source.upload && t !== values[source.slot];
}

/** The same tensor as one of its own, so that disposing of one leaves the other. */
function view(t: Tensor): Tensor {
  return t.reshape(t.shape);
}

/** An error with the node in front. */
function told(label: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const message = `${label}: ${error.message}`;
  if (error instanceof RangeError) return new RangeError(message, { cause: error });
  if (error instanceof TypeError) return new TypeError(message, { cause: error });
  return new Error(message, { cause: error });
}
