/**
 * Running ONNX models with onnxruntime, on the CPU, with inputs and outputs of any type.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import { loadPackage, PACKAGES } from "../../files/packages.ts";
import { sums16Bits } from "./sums_16_bits.ts";
import { elementCount } from "../file/tensor_data.ts";

/** The elements of a tensor, as onnxruntime takes and gives them. */
export type OnnxElements =
  | Float32Array
  | Float64Array
  | Float16Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

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

/** The tensors of onnxruntime. */
export interface OrtTensor {
  readonly type: OnnxDataType;
  readonly data: OnnxElements;
  readonly dims: readonly number[];
}

/** A session of onnxruntime. */
export interface OrtSession {
  run(
    feeds: Record<string, OrtTensor>,
    fetches: Record<string, OrtTensor | null>,
  ): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** The part of onnxruntime-node that is used. */
export interface Ort {
  readonly Tensor: new (type: string, data: OnnxElements, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<OrtSession>;
  };
}

/** Options of {@linkcode OnnxRuntime.open}. */
export interface OnnxRuntimeOptions {
  /** How much onnxruntime rewrites the model; all that it can by default. */
  optimization?: "disabled" | "basic" | "extended" | "all";
  /** Threads that compute one operator; as many as there are cores by default. */
  threads?: number;
}

/** The options of a session. */
export function sessionOptions(
  precise: boolean,
  { optimization = "all", threads }: OnnxRuntimeOptions = {},
): Record<string, unknown> {
  return {
    graphOptimizationLevel: optimization,
    logSeverityLevel: 4, // what fails is thrown, and need not be printed too
    ...(threads ? { intraOpNumThreads: threads } : {}),
    extra: {
      session: {
        x64quantprecision: precise ? "1" : "0",
        // Float inputs of 4-bit weights would else be rounded to 8 bits on the way.
        qdq_matmulnbits_accuracy_level: "1",
      },
    },
  };
}

/** The arrays that the elements of a type may lie in. */
const ARRAYS: Partial<Record<OnnxDataType, readonly string[]>> = {
  float32: ["Float32Array"],
  float64: ["Float64Array"],
  float16: ["Float16Array", "Uint16Array"],
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
function describe({ name, dtype, dims }: OnnxValueInfo): string {
  const shape = dims ? `[${dims.map((size) => size ?? "?").join(", ")}]` : "of any shape";
  return `${quote(name)}: ${dtype} ${shape}`;
}

function valueInfos(
  values: readonly { name: string; type?: OnnxModel["graph"]["input"][number]["type"] }[],
): OnnxValueInfo[] {
  return values.map(({ name, type }) => {
    if (type?.value.case !== "tensorType") {
      throw new TypeError(
        `${quote(name)} of the model is no tensor; only tensors are run`,
      );
    }
    const { elemType, shape } = type.value.value;
    return {
      name,
      dtype: dataTypeName(elemType)!,
      dims: shape?.dim.map(({ value }) =>
        value.case === "dimValue" ? Number(value.value) : value.value || undefined
      ),
    };
  });
}

/** What was found out about this processor. */
let precise: Promise<boolean> | undefined;

/** Whether sessions have to ask for kernels that are slower and do not overflow; found out once. */
export function isPrecise(where: string, ort: Ort): Promise<boolean> {
  return precise ??= sums16Bits(where, ort);
}

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
  private constructor(
    private readonly where: string,
    private readonly ort: Ort,
    private readonly session: OrtSession,
    /** The inputs that a caller must give. */
    readonly inputs: readonly OnnxValueInfo[],
    /** The outputs. */
    readonly outputs: readonly OnnxValueInfo[],
  ) {}

  /**
   * Loads onnxruntime if it is not there yet, and a model into it.
   *
   * @param where opens the errors.
   * @param model what is run; later changes of it are not seen.
   * @throws {Error} if the package or its native code cannot be loaded, or onnxruntime does not take the
   * model.
   */
  static async open(
    where: string,
    model: OnnxModel,
    options: OnnxRuntimeOptions = {},
  ): Promise<OnnxRuntime> {
    const ort = await loadPackage<Ort>(where, PACKAGES.onnxruntime);
    const { graph } = model;
    const defaults = new Set(graph.initializer.map(({ name }) => name));
    const inputs = valueInfos(graph.input.filter(({ name }) => !defaults.has(name)));
    const outputs = valueInfos(graph.output);
    const settings = sessionOptions(await isPrecise(where, ort), options);
    try {
      const session = await ort.InferenceSession.create(model.toBytes(), settings);
      return new OnnxRuntime(where, ort, session, inputs, outputs);
    } catch (cause) {
      throw new Error(`${where}: onnxruntime does not take the model: ${messageOf(cause)}`, {
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
  async run(
    feeds: OnnxFeeds,
    outputs: readonly string[] = this.outputs.map(({ name }) => name),
  ): Promise<Record<string, OnnxOutput>> {
    const inputs = await this.prepare(feeds);
    const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
    try {
      return await this.session.run(inputs, fetches);
    } catch (cause) {
      throw new Error(`${this.where}: onnxruntime could not run the model: ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  /** The tensors that onnxruntime is given. */
  private async prepare(feeds: OnnxFeeds): Promise<Record<string, OrtTensor>> {
    const known = this.inputs.map(({ name }) => name);
    const unknown = Object.keys(feeds).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      throw new TypeError(
        `${this.where}: the model has no input ${quote(unknown)}; it takes ${
          this.inputs.map(describe).join(" and ")
        }`,
      );
    }
    const tensors: Record<string, OrtTensor> = {};
    for (const input of this.inputs) {
      const feed = feeds[input.name];
      if (feed === undefined) {
        throw new TypeError(
          `${this.where}: the input ${describe(input)} is missing; ${
            Object.keys(feeds).length
              ? `given were ${Object.keys(feeds).join(", ")}`
              : "none was given"
          }`,
        );
      }
      tensors[input.name] = this.tensor(
        input,
        feed instanceof Tensor ? await hostFeed(feed) : feed,
      );
    }
    return tensors;
  }

  /** A feed as onnxruntime takes it, once it was checked. */
  private tensor(input: OnnxValueInfo, { data, dims, type }: OnnxFeed): OrtTensor {
    const fail = (kind: typeof TypeError | typeof RangeError, what: string): never => {
      throw new kind(`${this.where}: ${what}, but the model's input is ${describe(input)}`);
    };
    const kind = data?.constructor?.name ?? typeof data;
    if (type !== undefined && type !== input.dtype) fail(TypeError, `a ${type} tensor was given`);
    if (!ARRAYS[input.dtype]?.includes(kind)) fail(TypeError, `elements in a ${kind} were given`);
    const shape = `[${dims.join(", ")}]`;
    if (elementCount(dims) !== data.length) {
      fail(RangeError, `${data.length} elements of shape ${shape} were given`);
    }
    const fits = !input.dims || dims.length === input.dims.length &&
        input.dims.every((size, i) => typeof size !== "number" || size === dims[i]);
    if (!fits) fail(RangeError, `a tensor of shape ${shape} was given`);
    return new this.ort.Tensor(input.dtype, data, dims);
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

async function hostFeed(x: Tensor): Promise<OnnxFeed> {
  return { data: await x.data() as Float32Array, dims: x.shape };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
