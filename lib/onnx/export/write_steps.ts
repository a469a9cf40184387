/**
 * Steps into a graph.
 *
 * @module
 */
import type { GraphEditor } from "../graph/graph_editor.ts";
import type { Constants } from "./constants.ts";
import { typeOf } from "./element_types.ts";
import { addLayer, type WindowNode } from "./layers.ts";
import type { Input, Node } from "./nodes.ts";
import { type OpenSize, type Size, sizeText } from "./size.ts";
import type { Source } from "./source.ts";
import type { Step, Steps } from "./steps.ts";

/** Where each open size stands in the inputs. */
export type Places = ReadonlyMap<string, { readonly input: number; readonly axis: number }>;

/** Writes steps. */
class Writer {
  /** The names of values, by number. */
  private readonly values: string[];
  /** Sizes that were computed, by their texts. */
  private readonly written = new Map<string, string>();

  constructor(
    private readonly graph: GraphEditor,
    private readonly constants: Constants,
    inputNames: readonly string[],
    private readonly places: Places,
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
      const groups = attributes.group as number;
      const window = opType === "Gemm" ? undefined : { opType, attributes, groups } as WindowNode;
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
        return input.dims.length === 0
          ? graph.constant(`${step}.number`, "int64", [], input.values as number[])
          : this.sizes(step, input.values);
      case "parameter": {
        const data = this.constants.parameters.get(input)!;
        const { name, type = "float32", dims } = input;
        const elements = type === "uint8" ? Uint8Array.from(data) : data;
        return graph.constant(`${step}.${name}`, type, dims, elements);
      }
      case "opened":
        return this.opened(step, input);
      default:
        return this.source(step, input.source);
    }
  }

  private source(step: string, source: Source): string {
    const { id, buffer, dtype, shape } = source;
    if (id !== undefined) return this.values[id];
    const { graph, constants } = this;
    const wish = constants.names.get(buffer) ?? `${step}.constant`;
    return graph.constant(wish, typeOf(dtype).name, shape, constants.sources.get(source)!);
  }

  /** A constant of open sizes. */
  private opened(step: string, input: Input & { kind: "opened" }): string {
    const { graph } = this;
    const { sources: [{ buffer, dtype }], sizes } = input;
    const { elements, shape, repeated, cut } = this.constants.opened.get(input)!;
    const wish = this.constants.names.get(buffer) ?? `${step}.constant`;
    let made = graph.constant(wish, typeOf(dtype).name, shape, elements);
    if (cut.length > 0) {
      const from = graph.constant(`${step}.from`, "int64", [cut.length], cut.map(() => 0));
      const axes = graph.constant(`${step}.axes`, "int64", [cut.length], cut);
      const to = this.sizes(step, cut.map((d) => sizes[d]));
      made = graph.add(step, "Slice", [made, from, to, axes]);
    }
    if (repeated.length === 0) return made;
    const times = sizes.map((size, d) => repeated.includes(d) ? size : 1);
    return graph.add(step, "Expand", [made, this.sizes(step, times)]);
  }

  /** Sizes in a row, computed where they are open. */
  private sizes(step: string, values: readonly Size[]): string {
    const { graph } = this;
    const row = (list: readonly number[]) =>
      graph.constant(`${step}.shape`, "int64", [list.length], list);
    if (values.every((size) => typeof size === "number")) return row(values as number[]);
    return this.once(values.map(sizeText).join(), () => {
      const parts = values.map((size) => typeof size === "number" ? row([size]) : this.size(size));
      return parts.length === 1 ? parts[0] : graph.add("sizes", "Concat", parts, { axis: 0 });
    });
  }

  /** An open size, in a row of one. */
  private size(size: OpenSize): string {
    return this.once(sizeText(size), () => {
      const number = (value: number) => this.graph.constant("sizes.number", "int64", [1], [value]);
      const [first, ...others] = size.of.map((name) => this.open(name));
      const factors = size.times === 1 ? others : [...others, number(size.times)];
      const product = factors.reduce((x, y) => this.graph.add("sizes", "Mul", [x, y]), first);
      if (size.plus === 0) return product;
      return this.graph.add("sizes", "Add", [product, number(size.plus)]);
    });
  }

  /** An open size of the inputs. */
  private open(name: string): string {
    const { input, axis } = this.places.get(name)!;
    return this.once(
      name,
      () => this.graph.add("sizes", "Shape", [this.values[input]], { start: axis, end: axis + 1 }),
    );
  }

  /** What is computed once and read wherever it is needed. */
  private once(text: string, write: () => string): string {
    const made = this.written.get(text) ?? write();
    this.written.set(text, made);
    return made;
  }
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
  places: Places,
): string[] {
  const writer = new Writer(graph, constants, inputNames, places);
  for (const step of steps) writer.define(step);
  return outputs.map((step) => writer.step(step));
}
