/**
 * Steps into a graph.
 *
 * @module
 */
import type { GraphEditor } from "../graph/graph_editor.ts";
import { type Constants, inputsOf, repeatedPart } from "./constants.ts";
import { typeOf } from "./element_types.ts";
import { addLayer } from "./layers.ts";
import type { Input, Node } from "./nodes.ts";
import type { Step, Steps } from "./steps.ts";

/** Writes steps. */
class Writer {
  /** The names of values, by number. */
  private readonly values: string[];

  constructor(
    private readonly graph: GraphEditor,
    private readonly constants: Constants,
    inputNames: readonly string[],
  ) {
    this.values = [...inputNames];
  }

  /** Adds a step's nodes; returns the name of what it makes. */
  step({ name, nodes, result }: Step): string {
    const made: string[] = [];
    for (const node of nodes) made.push(this.node(name, node, made));
    return this.read(name, result, made);
  }

  private node(
    step: string,
    { opType, inputs, attributes, layer }: Node,
    made: readonly string[],
  ): string {
    const { graph, constants } = this;
    const input = inputs.map((each) => this.read(step, each, made));
    if (layer) {
      const window = opType === "Conv" ? attributes : undefined;
      return addLayer(graph, step, input[0], constants.layers.get(layer)!, window);
    }
    while (input.at(-1) === "") input.pop();
    return graph.add(step, opType, input, attributes);
  }

  /** Adds a step whose value others read. */
  define(step: Step): void {
    this.values.push(this.step(step));
  }

  /** The name of an input. */
  private read(step: string, input: Input, made: readonly string[]): string {
    const { graph } = this;
    switch (input.kind) {
      case "none":
        return "";
      case "made":
        return made[input.node];
      case "uint8":
        return graph.constant(`${step}.byte`, "uint8", [], Uint8Array.of(input.value));
      case "bool":
        return graph.constant(`${step}.truth`, "bool", [], Uint8Array.of(Number(input.value)));
      case "float":
        return graph.constant(
          `${step}.number`,
          "float32",
          input.dims,
          Float32Array.from(input.values),
        );
      case "int":
        return graph.constant(`${step}.shape`, "int64", input.dims, input.values);
      case "parameter": {
        const data = this.constants.parameters.get(input)!;
        const { name, type = "float32", dims } = input;
        const elements = type === "uint8" ? Uint8Array.from(data) : data;
        return graph.constant(`${step}.${name}`, type, dims, elements);
      }
      default:
        return this.source(step, input);
    }
  }

  private source(step: string, input: Input & { kind: "source" | "repeated" }): string {
    const { source: { id, buffer, dtype, shape } } = input;
    if (id !== undefined) return this.values[id];
    const { graph, constants } = this;
    const wish = constants.names.get(buffer) ?? `${step}.constant`;
    const [{ name: type }, elements] = [typeOf(dtype), constants.sources.get(buffer)!];
    if (input.kind === "source") return graph.constant(wish, type, shape, elements);
    const part = repeatedPart(elements, shape, input.axis)!;
    const one = graph.constant(wish, type, shape.with(input.axis, 1), part);
    const count = graph.add(step, "Shape", [this.values[0]], { start: 0, end: 1 });
    const ones = (n: number) =>
      n > 0 ? [graph.constant(`${step}.ones`, "int64", [n], new Array(n).fill(1))] : [];
    const sizes = [...ones(input.axis), count, ...ones(shape.length - input.axis - 1)];
    const whole = sizes.length === 1 ? count : graph.add(step, "Concat", sizes, { axis: 0 });
    return graph.add(step, "Expand", [one, whole]);
  }
}

/** Whether constants that are to be repeated are the same for each sample. */
export function repeats(steps: Steps, { sources }: Constants): boolean {
  return inputsOf(steps).every((input) =>
    input.kind !== "repeated" ||
    repeatedPart(sources.get(input.source.buffer)!, input.source.shape, input.axis) !== undefined
  );
}

/**
 * Adds steps to a graph.
 *
 * @returns the names of the outputs.
 */
export function writeSteps(
  graph: GraphEditor,
  { steps, outputs }: Steps,
  constants: Constants,
  inputNames: readonly string[],
): string[] {
  const writer = new Writer(graph, constants, inputNames);
  for (const step of steps) writer.define(step);
  return outputs.map((step) => writer.step(step));
}
