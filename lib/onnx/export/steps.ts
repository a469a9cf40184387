/**
 * From what a run did to the nodes that do it.
 *
 * @module
 */
import { numelOf, sameShape } from "../../numbers/shape.ts";
import { outputQuantizerOf } from "../../quantization/layers/layer_kinds.ts";
import { QuantizedConvolution } from "../../quantization/layers/quantized_convolution.ts";
import { throughBytes } from "./byte_forms.ts";
import { addConvolution } from "./convolution_forms.ts";
import { formOf } from "./layer_forms.ts";
import { type Input, type Node, Nodes, NONE } from "./nodes.ts";
import { OPERATIONS } from "./operations.ts";
import type { Source } from "./source.ts";
import type { Call, LayerCall, Trace } from "./trace.ts";

/** Nodes that make one value. */
export interface Step {
  /** Begins the names of nodes and constants. */
  readonly name: string;
  readonly nodes: readonly Node[];
  /** What is made. */
  readonly result: Input;
}

/** What a run did, as nodes. */
export interface Steps {
  readonly steps: readonly Step[];
  /** The outputs, each brought into its shape. */
  readonly outputs: readonly Step[];
}

/** Makes the nodes. */
class Builder {
  /** The shape in which each value is made. */
  private readonly shapes: (readonly number[])[];

  constructor(private readonly where: string, inputs: readonly Source[]) {
    this.shapes = inputs.map(({ shape }) => shape);
  }

  /** A source in the shape that it is read in. */
  read(nodes: Nodes, source: Source, shape = source.shape): Input {
    const { id } = source;
    if (shape.length === 1 && shape[0] === 0 && source.shape.length === 1) return NONE;
    const made = id === undefined ? source.shape : this.shapes[id];
    const x: Input = { kind: "source", source };
    return sameShape(made, shape) ? x : nodes.reshape(x, shape);
  }

  step(call: Call): Step {
    const made = call.kind === "operation"
      ? this.operation(call)
      : formOf(call.layer)
      ? this.layer(call)
      : this.weights(call);
    return made;
  }

  private operation(call: Call & { kind: "operation" }): Step {
    const { operation, inputs, output, args } = call;
    const nodes = new Nodes();
    const read = inputs.map((source) => this.read(nodes, source));
    const { shape, dtype } = output;
    const asked = { operands: inputs, rest: args, shape, dtype };
    const result = this.named(call.name, () => OPERATIONS[operation].write(nodes, read, asked));
    this.shapes.push(shape);
    return { name: call.name || operation, ...nodes.making(result) };
  }

  private layer({ layer, name, inputs, output }: LayerCall): Step {
    const nodes = new Nodes();
    const read = inputs.map((source) => this.read(nodes, source));
    const use = { where: `${this.where}: ${layer.displayName}`, sources: inputs, output };
    const result = formOf(layer)!(nodes, layer, read, use);
    this.shapes.push(output.shape);
    return { name: name || layer.constructor.name, ...nodes.making(result) };
  }

  /** Layers that multiply rows read and make matrices, so that several in a row need no reshapes. */
  private weights({ layer, name, inputs: [source], output }: LayerCall): Step {
    const nodes = new Nodes();
    const rows = (shape: readonly number[]) => {
      const features = shape.at(-1) ?? 1;
      return [features === 0 ? 0 : numelOf(shape) / features, features];
    };
    const spatial = layer instanceof QuantizedConvolution ? layer.kernelSize.length : 0;
    const images = (shape: readonly number[]) =>
      shape.length === spatial + 1 ? [1, ...shape] : shape;
    const form = spatial > 0 ? images : rows;
    const x = this.read(nodes, source, form(source.shape));
    this.shapes.push(form(output.shape));
    const where = `${this.where}: ${layer.displayName}`;
    const y = layer instanceof QuantizedConvolution
      ? addConvolution(nodes, where, [x], source.shape.slice(-spatial), layer)
      : nodes.add("Gemm", [x], {}, layer);
    const bytes = outputQuantizerOf(layer);
    const result = bytes ? throughBytes(nodes, y, bytes) : y;
    return { name: name || layer.constructor.name, ...nodes.making(result) };
  }

  /** Adds where it stands to what is said of an operation. */
  private named<T>(module: string, write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new TypeError(
        `${this.where}: the forward of ${module || "the model"}: ${error.message}`,
      );
    }
  }

  output(source: Source): Step {
    const nodes = new Nodes();
    return { name: "output", ...nodes.making(this.read(nodes, source)) };
  }
}

/**
 * The nodes that compute what a run did.
 *
 * @param where opens the errors.
 * @throws {TypeError} if something has no ONNX form; it is named.
 */
export function stepsOf(where: string, { inputs, calls, outputs }: Trace): Steps {
  const builder = new Builder(where, inputs);
  const steps = calls.map((call) => builder.step(call));
  return { steps, outputs: outputs.map((output) => builder.output(output)) };
}
