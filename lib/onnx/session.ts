/**
 * Running ONNX models with onnxruntime, on the CPU.
 *
 * @module
 */
import { encodeModel } from "./encode.ts";
import { GraphBuilder } from "./graph.ts";
import { addLayer } from "./layers.ts";
import { loadPackage, PACKAGES } from "./packages.ts";

/** Numbers with a shape, as onnxruntime takes and gives them. */
interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The part of onnxruntime-node that is used. */
interface Ort {
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<OrtSession>;
  };
}

interface OrtSession {
  run(
    feeds: Record<string, OrtTensor>,
    fetches: Record<string, OrtTensor>,
  ): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** A host array and its shape. */
export interface HostTensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Options of every session. */
function options(precise: boolean): Record<string, unknown> {
  return {
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
    extra: {
      session: {
        x64quantprecision: precise ? "1" : "0",
        // Float inputs of 4-bit weights would else be rounded to 8 bits on the way.
        qdq_matmulnbits_accuracy_level: "1",
      },
    },
  };
}

/** Greatest products, so many that a sum in 16 bits shows. */
const PROBE = { rows: 16, columns: 32, input: 255, weight: 127 };

/**
 * Whether the integer kernels of this processor add pairs of products in 16 bits, where they can overflow,
 * as those for x64 without 8-bit dot products do. onnxruntime has slower ones that do not, and an
 * option for them, which it heeds on every x64 processor; so the fast ones are tried first.
 */
async function overflows(where: string, ort: Ort): Promise<boolean> {
  const { rows, columns, input, weight } = PROBE;
  const graph = new GraphBuilder(["x"]);
  const y = addLayer(graph, "probe", "x", {
    kind: "quantized",
    input: { kind: "static", scale: 1, divisor: 1, zeroPoint: 0, quantMin: 0, quantMax: 255 },
    weight: {
      rows,
      columns,
      integers: new Int8Array(rows * columns).fill(weight),
      ...{ min: -128, max: 127, groupSize: columns },
      scale: new Float32Array(rows).fill(1),
      zeroPoint: new Float32Array(rows),
    },
    bias: null,
  });
  const { nodes, initializers } = graph;
  const model = await encodeModel(where, {
    name: "probe",
    nodes,
    initializers,
    inputs: [{ name: "x", dims: [1, columns] }],
    outputs: [{ name: y, dims: [1, rows] }],
  });
  const session = await ort.InferenceSession.create(model, options(false));
  const data = new Float32Array(rows);
  const x = new ort.Tensor("float32", new Float32Array(columns).fill(input), [1, columns]);
  await session.run({ x }, { [y]: new ort.Tensor("float32", data, [1, rows]) });
  await session.release();
  return data.some((sum) => sum !== columns * input * weight);
}

/** What was found out about this processor. */
let precise: Promise<boolean> | undefined;

/** A model that onnxruntime has taken in. */
export class OnnxSession {
  private constructor(private readonly ort: Ort, private readonly session: OrtSession) {}

  /**
   * Loads onnxruntime if it is not there yet, and a model into it.
   *
   * @param where opens the errors.
   * @param model the bytes of an ONNX file.
   * @throws {Error} if the package or its native code cannot be loaded.
   */
  static async open(where: string, model: Uint8Array): Promise<OnnxSession> {
    const ort = await loadPackage<Ort>(where, PACKAGES.onnxruntime);
    precise ??= overflows(where, ort);
    return new OnnxSession(ort, await ort.InferenceSession.create(model, options(await precise)));
  }

  /** Runs the model; the output is written into `output`. */
  async run(
    inputs: Readonly<Record<string, HostTensor>>,
    output: HostTensor & { readonly name: string },
  ): Promise<void> {
    const wrap = ({ data, shape }: HostTensor) => new this.ort.Tensor("float32", data, shape);
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, host]) => [name, wrap(host)]),
    );
    await this.session.run(feeds, { [output.name]: wrap(output) });
  }

  /** Frees the session. */
  async release(): Promise<void> {
    await this.session.release();
  }
}
