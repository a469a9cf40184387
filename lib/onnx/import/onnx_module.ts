import type { Backend, Device } from "../../backend/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import { given, nearest } from "../../numbers/arguments.ts";
import type { DType } from "../../numbers/dtype.ts";
import { quote } from "../../numbers/printable.ts";
import { formatShape } from "../../numbers/shape.ts";
import { Module } from "../../nn/module.ts";
import { Tensor, tidy } from "../../tensor/tensor.ts";
import type { OnnxModel } from "../file/model.ts";
import type { ImportedLayer, ImportedParameter } from "./build_graph.ts";
import { isOnHost, uploaded } from "./node/host_values.ts";
import { computeGraph, NO_PLAN, OnnxConstants, type Plan, type Source } from "./onnx_graph.ts";

/** An input or an output of an imported model. */
export interface ImportedValue {
  /** Its name in the file. */
  readonly name: string;
  /** Its element type here; nothing if the file does not tell. */
  readonly dtype: DType | undefined;
  /** Sizes, or the names of those that are only known when it runs; null for one of which nothing is told. Nothing at
   * all if not even the number of dimensions is told. */
  readonly shape: readonly (number | string | null)[] | undefined;
  /** Whether an input is to be on the CPU whatever the model's device is, since its numbers are shapes or sizes. */
  readonly onHost: boolean;
}

/** What a model was imported from. */
export interface ImportOrigin {
  /** As it was brought to operator set 21. */
  readonly model: OnnxModel;
  readonly parameters: readonly ImportedParameter[];
  readonly layers: readonly ImportedLayer[];
}

/** What an {@linkcode OnnxModule} is made of. */
export interface OnnxModuleParts {
  readonly name: string;
  readonly inputs: readonly ImportedValue[];
  readonly outputs: readonly ImportedValue[];
  readonly device: Device;
  readonly origin: ImportOrigin;
}

/**
 * An ONNX graph as a module: {@linkcode importOnnx} makes it. Its children are the graph's nodes by their names;
 * those that are layers of this library are that layer, so whatever is done to layers can be done to them.
 *
 * @example
 * ```ts
 * import { exportOnnx, importOnnx, Linear, OnnxModule, randn } from "@staticquant/staticquant";
 * const module = await importOnnx(await exportOnnx(new Linear(8, 4), randn([1, 8])));
 * console.log(module instanceof OnnxModule, module.inputs[0].name, module.inputs[0].shape);
 * // true input [ "batch", 8 ]
 * ```
 */
export class OnnxModule extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OnnxModule";

  /** The graph's name. */
  readonly graphName: string;
  /** What `forward` takes, in order. */
  readonly inputs: readonly ImportedValue[];
  /** What {@linkcode OnnxModule.run} gives. */
  readonly outputs: readonly ImportedValue[];
  /**
   * What it was imported from.
   *
   * @ignore
   */
  readonly origin: ImportOrigin;
  /**
   * Constants of the graph that are no layer's.
   *
   * @ignore
   */
  readonly constants: OnnxConstants = new OnnxConstants();
  /**
   * What is computed in which order.
   *
   * @ignore
   */
  readonly plan: Plan;
  private readonly device: Device;

  /**
   * A graph; the children are set afterwards.
   *
   * @ignore
   */
  constructor(parts: OnnxModuleParts, build: (module: OnnxModule) => Plan) {
    super();
    this.graphName = parts.name;
    this.inputs = parts.inputs;
    this.outputs = parts.outputs;
    this.origin = parts.origin;
    this.device = parts.device;
    this.plan = NO_PLAN;
    this.plan = build(this);
  }

  /**
   * The graph's first output; what else it computes is freed. Enqueued.
   *
   * @param inputs one tensor for each of {@linkcode OnnxModule.inputs}, in order.
   * @throws {TypeError} if they are too few or too many, or one is of another type.
   * @throws {RangeError} if one has another shape than the graph asks for.
   */
  override forward(...inputs: Tensor[]): Tensor {
    return tidy(() => this.forwardAll(...inputs)[0]);
  }

  /** All outputs, in the order of {@linkcode OnnxModule.outputs}; takes what `forward` takes. Enqueued. */
  override forwardAll(...inputs: Tensor[]): Tensor[] {
    if (inputs.length !== this.inputs.length) {
      throw new TypeError(
        `${this.displayName}: the graph takes ${this.inputs.length} inputs (${this.inputNames()}), got ` +
          `${inputs.length}`,
      );
    }
    this.inputs.forEach((info, i) => this.checkInput(info, inputs[i]));
    return tidy(() => this.computeAll(inputs));
  }

  /**
   * All outputs, by name. Enqueued.
   *
   * @param feeds a tensor for each of {@linkcode OnnxModule.inputs}, by name.
   * @throws {TypeError} if one is missing or unknown, or is of another type.
   * @throws {RangeError} if one has another shape than the graph asks for.
   */
  run(feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    if (typeof feeds !== "object" || feeds === null || feeds instanceof Tensor) {
      throw new TypeError(
        `${this.displayName}: expected tensors by name (${this.inputNames()}), got ${given(feeds)}`,
      );
    }
    const known = this.inputs.map(({ name }) => name);
    for (const name of Object.keys(feeds)) {
      if (known.includes(name)) continue;
      const like = nearest(name, known);
      throw new TypeError(
        `${this.displayName}: there is no input ${quote(name)}` +
          (like ? `; did you mean ${quote(like)}?` : `, only ${this.inputNames()}`),
      );
    }
    const inputs = this.inputs.map((info) => {
      const x = Object.hasOwn(feeds, info.name) ? feeds[info.name] : undefined;
      this.checkInput(info, x);
      return x!;
    });
    const results = tidy(() => this.computeAll(inputs));
    const named: Record<string, Tensor> = Object.create(null);
    this.outputs.forEach(({ name }, i) => named[name] = results[i]);
    return named;
  }

  /**
   * The nodes that read what another gives, `""` for an output of the graph.
   *
   * @ignore
   */
  readersOf(field: string): readonly string[] | undefined {
    const { steps, outputs } = this.plan;
    const step = steps.find(({ child }) => child === field);
    if (!step) return undefined;
    const reads = (source: Source) => source.from === "slot" && step.outputs.includes(source.slot);
    const readers = steps.filter(({ inputs }) => inputs.some(reads)).map(({ child }) => child);
    return outputs.some(reads) ? [...readers, ""] : readers;
  }

  /** For messages. */
  private inputNames(): string {
    return this.inputs.map(({ name }) => quote(name)).join(", ") || "none";
  }

  /** All outputs, in order. */
  private computeAll(inputs: readonly Tensor[]): Tensor[] {
    const backend = this.backendOf(inputs);
    return computeGraph(this, inputs, backend).map((y) =>
      backend.device !== "cpu" && isOnHost(y) ? uploaded(y, backend) : y
    );
  }

  /** Where it is computed: where its inputs are; if it has none, where its constants are. */
  private backendOf(inputs: readonly Tensor[]): Backend {
    const x = inputs.find((_, i) => !this.inputs[i].onHost);
    if (x) return x.backend;
    const [weight] = Object.values(this.stateDict());
    return weight?.backend ?? backendFor(this.device);
  }

  /** Refuses a tensor that does not fit an input. */
  private checkInput({ name, dtype, shape, onHost }: ImportedValue, x: Tensor | undefined): void {
    const where = `${this.displayName}: input ${quote(name)}`;
    if (!(x instanceof Tensor)) throw new TypeError(`${where} must be a Tensor, got ${given(x)}`);
    if (dtype && x.dtype !== dtype) {
      throw new TypeError(
        `${where} must be of ${dtype.name}, got ${x.dtype.name}; convert it with .to(${dtype.name})`,
      );
    }
    const fits = !shape || shape.length === x.ndim &&
        shape.every((size, i) => typeof size !== "number" || size === x.shape[i]);
    if (!fits) {
      throw new RangeError(
        `${where} must have the shape (${shape.map((size) => size ?? "?").join(", ")}), got ` +
          formatShape(x.shape),
      );
    }
    if (onHost && !isOnHost(x)) {
      throw new TypeError(
        `${where} tells a shape or size, which must be known before the graph is enqueued; give it on the CPU: ` +
          `await x.to("cpu")`,
      );
    }
  }

  /** The graph's name, inputs and outputs. */
  override extraRepr(): string {
    const list = (values: readonly ImportedValue[]) => values.map(shown).join(", ");
    return `${quote(this.graphName)}, inputs: ${list(this.inputs)}, outputs: ${list(this.outputs)}`;
  }
}

function shown({ name, dtype, shape }: ImportedValue): string {
  const sizes = shape ? `[${shape.map((size) => size ?? "?").join(", ")}]` : "";
  return quote(name) + (dtype ? ` ${dtype.name}${sizes}` : "");
}
