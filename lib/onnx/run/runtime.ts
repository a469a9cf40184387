/**
 * Running ONNX models with onnxruntime, on the CPU, with inputs and outputs of any type.
 *
 * @module
 */
import { floatsOfHalves, HALF_ARRAY, halvesOfFloats } from "../../numbers/float16.ts";
import { quote } from "../../numbers/printable.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { OnnxDataType } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import {
  type OnnxElements,
  type OnnxRuntimeOptions,
  type Ort,
  type OrtSession,
  type OrtTensor,
  sessionOptions,
} from "./ort.ts";
import { loadOrt } from "./load_ort.ts";
import { runtimeMessage } from "./runtime_message.ts";
import { openSession } from "./open_session.ts";
import { sums16Bits } from "./sums_16_bits.ts";
import type { ValueInfoProto } from "../file/proto.ts";
import { elementCount } from "../file/tensor_data.ts";
import { valueType } from "../graph/graph_view.ts";

export type { OnnxElements, OnnxRuntimeOptions } from "./ort.ts";

/** A tensor for an input: numbers and their shape. A tensor of onnxruntime is one. */
export interface OnnxFeed {
  /** The elements, row by row. */
  readonly data: OnnxElements;
  /** The sizes, the slowest first. */
  readonly dims: readonly number[];
  /** The element type; by default that of the input, if it is kept in such an array. */
  readonly type?: OnnxDataType;
}

/** One sample: a tensor for each input of the model. */
export type OnnxFeeds = Readonly<Record<string, OnnxFeed | Tensor>>;

/** An output that was computed. */
export interface OnnxOutput {
  /** The element type. */
  readonly type: OnnxDataType;
  /** The elements, row by row. */
  readonly data: OnnxElements;
  /** The sizes, the slowest first. */
  readonly dims: readonly number[];
}

/** An input or an output, as the model declares it. */
export interface OnnxValueInfo {
  /** Its name. */
  readonly name: string;
  /** Its element type. */
  readonly dtype: OnnxDataType;
  /** A size, or the name of one that is only known when the model runs; `undefined` if not even the number of
   * dimensions is told. */
  readonly dims: readonly (number | string | undefined)[] | undefined;
}

/** The arrays that the elements of a type may lie in. */
const ARRAYS: Partial<Record<OnnxDataType, readonly string[]>> = {
  float32: ["Float32Array"],
  float64: ["Float64Array"],
  float16: HALF_ARRAY ? ["Float16Array", "Uint16Array"] : ["Float32Array", "Uint16Array"],
  bool: ["Uint8Array"],
  int8: ["Int8Array"],
  uint8: ["Uint8Array"],
  int16: ["Int16Array"],
  uint16: ["Uint16Array"],
  int32: ["Int32Array"],
  uint32: ["Uint32Array"],
  int64: ["BigInt64Array"],
  uint64: ["BigUint64Array"],
  string: ["Array"],
};

/** An input in words: `"x": float32 [batch, 3, ?]`. */
function inWords({ name, dtype, dims }: OnnxValueInfo): string {
  const shape = dims ? `[${dims.map((size) => size ?? "?").join(", ")}]` : "of any shape";
  return `${quote(name)}: ${dtype} ${shape}`;
}

function valueInfos(role: string, values: readonly ValueInfoProto[]): OnnxValueInfo[] {
  return values.map(({ name, type }) => {
    const known = valueType(type);
    if (known) return { name, ...known };
    const kind = type?.value.case ?? "unknown type";
    const problem = kind === "tensorType"
      ? "has an element type that ONNX has not"
      : `is no tensor (${kind.replace("Type", " type").trim()}); only tensors are given and taken`;
    throw new TypeError(`the model's ${role} ${quote(name)} ${problem}`);
  });
}

/** What was found out about this processor, by the build of onnxruntime that it was asked by. */
const precise = new WeakMap<Ort, Promise<boolean>>();

/** Whether sessions have to ask for kernels that are slower and do not overflow; found out once. */
function isPrecise(where: string, ort: Ort): Promise<boolean> {
  const known = precise.get(ort) ?? sums16Bits(where, ort);
  precise.set(ort, known);
  return known;
}

/** A tensor of onnxruntime whose data may be replaced. */
export type ReusedTensor = Omit<OrtTensor, "data"> & { data: OnnxElements | undefined };

/** Runs for a loop in which checks would be felt, of a caller who knows that there is nothing to find. */
export interface UncheckedRun {
  /** A tensor as onnxruntime takes it. */
  tensor(type: OnnxDataType, data: OnnxElements, dims: readonly number[]): OrtTensor;
  /** One whose data is set before each run, which spares making one each time. */
  reused(type: OnnxDataType, dims: readonly number[]): ReusedTensor;
  /**
   * Runs the model.
   *
   * @param feeds a tensor of the right type and shape for each input.
   * @param fetches tensors to write all outputs into; without them they are allocated.
   */
  run(
    feeds: Readonly<Record<string, OrtTensor | ReusedTensor>>,
    fetches?: Readonly<Record<string, OrtTensor>>,
  ): Promise<Record<string, OnnxOutput>>;
  /** Throws the error of a run in words. */
  failed(cause: unknown): never;
}

/** Properties with the values of some fields. */
function writable(fields: Readonly<Record<string, unknown>>): PropertyDescriptorMap {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, { value, writable: true }]),
  );
}

/** Runs of a model without checks. */
export let uncheckedRun: (runtime: OnnxRuntime) => UncheckedRun;

/**
 * A model that onnxruntime has taken in.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, OnnxRuntime, randn } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * await using runtime = await OnnxRuntime.open("example", model);
 * const { output } = await runtime.run({ input: { data: new Float32Array(8), dims: [2, 4] } });
 * console.log(output.dims); // [ 2, 2 ]
 * ```
 */
export class OnnxRuntime implements AsyncDisposable {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "OnnxRuntime";

  static {
    uncheckedRun = (runtime) => {
      const { ort, session, all } = runtime;
      const failed = (cause: unknown) => runtime.failed(cause);
      return {
        tensor: (type, data, dims) => new ort.Tensor(type, data, dims),
        reused: (type, dims) => {
          const fields = { type, dims, data: undefined, location: "cpu", size: elementCount(dims) };
          return Object.create(ort.Tensor.prototype, writable(fields));
        },
        run: (feeds, fetches) => session.run(feeds as Record<string, OrtTensor>, fetches ?? all),
        failed,
      };
    };
  }

  /** Asks for all outputs. */
  private readonly all: Readonly<Record<string, null>>;
  /** Those outputs that every object has something by the name of. */
  private readonly oddNames: readonly string[];

  private constructor(
    private readonly where: string,
    private readonly ort: Ort,
    private readonly session: OrtSession,
    /** The inputs that a caller must give. */
    readonly inputs: readonly OnnxValueInfo[],
    /** The outputs. */
    readonly outputs: readonly OnnxValueInfo[],
  ) {
    this.all = Object.fromEntries(outputs.map(({ name }) => [name, null]));
    this.oddNames = outputs.map(({ name }) => name).filter((name) => name in {});
  }

  /**
   * Loads onnxruntime if it is not there yet, and a model into it.
   *
   * @param where opens the errors.
   * @param model what is run; later changes of it are not seen. Files that constants of a large one stayed in must
   * stay as they are until the session is freed.
   * @throws {Error} if the package or its native code cannot be loaded, or onnxruntime does not take the
   * model.
   */
  static async open(
    where: string,
    model: OnnxModel,
    options: OnnxRuntimeOptions = {},
  ): Promise<OnnxRuntime> {
    const ort = await loadOrt(where);
    const { graph } = model;
    const defaults = new Set(graph.initializer.map(({ name }) => name));
    const inputs = valueInfos("input", graph.input.filter(({ name }) => !defaults.has(name)));
    const outputs = valueInfos("output", graph.output);
    const settings = sessionOptions(await isPrecise(where, ort), options);
    try {
      const session = await openSession(ort, model, settings);
      return new OnnxRuntime(where, ort, session, inputs, outputs);
    } catch (cause) {
      throw new Error(`${where}: onnxruntime does not take the model: ${runtimeMessage(cause)}`, {
        cause,
      });
    }
  }

  /**
   * Runs the model on one sample.
   *
   * @param feeds a tensor for each input. Those of this library are read first; this waits for the device.
   * @param outputs the outputs to compute; all by default.
   * @throws {TypeError} if an input is missing, unknown or of another element type.
   * @throws {RangeError} if an input has another shape than the model takes.
   */
  async run(feeds: OnnxFeeds, outputs?: readonly string[]): Promise<Record<string, OnnxOutput>> {
    const asked = outputs && Object.fromEntries(outputs.map((name) => [name, null]));
    return await this.compute(feeds, asked ?? this.all);
  }

  /**
   * Runs the model on one sample and writes the outputs into arrays of the caller's.
   *
   * @param feeds as {@linkcode OnnxRuntime.run} takes them.
   * @param outputs arrays for the outputs to compute, by name, and the shapes that these will have.
   * @throws {TypeError | RangeError} as {@linkcode OnnxRuntime.run} does, and if an array does not fit its output.
   */
  async runInto(feeds: OnnxFeeds, outputs: Readonly<Record<string, OnnxFeed>>): Promise<void> {
    const given = this.outputs.filter(({ name }) => Object.hasOwn(outputs, name));
    const tensors = given.map((output) => [
      output.name,
      this.tensor("output", output, outputs[output.name]),
    ]);
    await this.compute(feeds, Object.fromEntries(tensors));
  }

  /** Runs the session once the feeds were checked. */
  private async compute(
    feeds: OnnxFeeds,
    fetches: Record<string, OrtTensor | null>,
  ): Promise<Record<string, OnnxOutput>> {
    const prepared = this.prepare(feeds);
    const inputs = prepared instanceof Promise ? await prepared : prepared;
    // The binding looks for names in a plain object, and so takes `toString` for asked for with a function to
    // write into; it is left alone where it is really asked for.
    const missing = this.oddNames.filter((name) => !Object.hasOwn(fetches, name))
      .map((name): [string, null] => [name, null]);
    const asked = missing.length
      ? Object.fromEntries([...Object.entries(fetches), ...missing])
      : fetches;
    try {
      return withoutBits(await this.session.run(inputs, asked));
    } catch (cause) {
      return this.failed(cause);
    }
  }

  /** Throws what onnxruntime said of a run. */
  private failed(cause: unknown): never {
    throw new Error(
      `${this.where}: onnxruntime could not run the model: ${runtimeMessage(cause)}`,
      { cause },
    );
  }

  /** The tensors that onnxruntime is given; a promise only where there is something to wait for. */
  private prepare(
    feeds: OnnxFeeds,
  ): Record<string, OrtTensor> | Promise<Record<string, OrtTensor>> {
    const unknown = Object.keys(feeds).find((key) => !this.inputs.some(({ name }) => name === key));
    if (unknown !== undefined) {
      throw new TypeError(
        `${this.where}: the model has no input ${quote(unknown)}; it takes ${
          this.inputs.map(inWords).join(" and ")
        }`,
      );
    }
    const waiting = this.inputs.some(({ name }) =>
      Object.hasOwn(feeds, name) && feeds[name] instanceof Tensor
    );
    if (waiting) return hostFeeds(feeds).then((host) => this.prepare(host));
    const tensors: [string, OrtTensor][] = [];
    for (const input of this.inputs) {
      const feed = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
      if (feed === undefined) {
        throw new TypeError(
          `${this.where}: the input ${inWords(input)} is missing; ${
            Object.keys(feeds).length
              ? `given were ${Object.keys(feeds).join(", ")}`
              : "none was given"
          }`,
        );
      }
      tensors.push([input.name, this.tensor("input", input, feed as OnnxFeed)]);
    }
    return Object.fromEntries(tensors);
  }

  /** A feed as onnxruntime takes it, once it was checked. */
  private tensor(
    role: "input" | "output",
    value: OnnxValueInfo,
    { data, dims, type }: OnnxFeed,
  ): OrtTensor {
    const given = (what: string) =>
      `${this.where}: ${what} given, but the model's ${role} is ${inWords(value)}`;
    const kind = data?.constructor?.name ?? typeof data;
    if (type !== undefined && type !== value.dtype) {
      throw new TypeError(given(`a ${type} tensor was`));
    }
    if (!ARRAYS[value.dtype]?.includes(kind)) {
      throw new TypeError(given(`elements in a ${kind} were`));
    }
    if (elementCount(dims) !== data.length) {
      throw new RangeError(given(`${data.length} elements of shape [${dims.join(", ")}] were`));
    }
    const fits = !value.dims || dims.length === value.dims.length &&
        value.dims.every((size, i) => typeof size !== "number" || size === dims[i]);
    if (!fits) throw new RangeError(given(`a tensor of shape [${dims.join(", ")}] was`));
    if (value.dtype !== "float16") return new this.ort.Tensor(value.dtype, data, dims);
    // Native code may not know arrays of halves, but knows their bits.
    const bits = bitsOf(data);
    const tensor = new this.ort.Tensor(value.dtype, HALF_ARRAY ? data : bits, dims);
    if (HALF_ARRAY) Object.defineProperty(tensor, "data", { value: bits });
    return tensor;
  }

  /** Frees the session. */
  async release(): Promise<void> {
    await this.session.release();
  }

  /** Frees the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** The bits of halves, in the same memory; of floats that stand for halves, in other. */
function bitsOf(data: OnnxElements): OnnxElements {
  if (HALF_ARRAY && data instanceof HALF_ARRAY) {
    return new Uint16Array(data.buffer, data.byteOffset, data.length);
  }
  return data instanceof Float32Array ? halvesOfFloats(data) : data;
}

/** Outputs with numbers in place of the bits of halves, where the language has no arrays for these. */
function withoutBits(outputs: Record<string, OrtTensor>): Record<string, OnnxOutput> {
  if (HALF_ARRAY) return outputs;
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { type, data, dims }]) => {
      const bits = type === "float16" && data instanceof Uint16Array;
      return [name, { type, data: bits ? floatsOfHalves(data.slice().buffer) : data, dims }];
    }),
  );
}

/** A copy of a sample that stays as it is, whatever becomes of its arrays and tensors. */
export async function copyFeeds(feeds: OnnxFeeds): Promise<OnnxFeeds> {
  const copies: [string, OnnxFeed][] = [];
  for (const [name, feed] of Object.entries(feeds)) {
    const { data, dims, type } = feed instanceof Tensor ? await hostFeed(feed) : feed;
    copies.push([name, { data: data.slice(), dims: [...dims], ...(type ? { type } : {}) }]);
  }
  return Object.fromEntries(copies);
}

/** A sample with what this library's tensors hold in their place. */
async function hostFeeds(feeds: OnnxFeeds): Promise<Readonly<Record<string, OnnxFeed>>> {
  const read: [string, OnnxFeed][] = [];
  for (const [name, feed] of Object.entries(feeds)) {
    read.push([name, feed instanceof Tensor ? await hostFeed(feed) : feed]);
  }
  return Object.fromEntries(read);
}

async function hostFeed(x: Tensor): Promise<OnnxFeed> {
  return { data: await x.data() as Float32Array, dims: x.shape };
}
