/**
 * Looking into an ONNX model before anything is done to it.
 *
 * @module
 */
import type { TensorInfo } from "../../data/sample.ts";
import type { OnnxSource } from "../calibration/calibrate.ts";
import { OnnxModel } from "../file/model.ts";
import { loadOnnx } from "../file/model_file.ts";
import { quantizedNode } from "../qdq/already_quantized.ts";
import { modelInputs, modelOutputs } from "./model_inputs.ts";
import {
  type ConstantsSummary,
  operatorKey,
  type OperatorSummary,
  summarizeModel,
} from "./model_summary.ts";
import { type QuantizableNodes, quantizableNodes } from "./quantizable.ts";

/** All nodes of one operator, and which of them can be quantized. */
export interface InspectedOperator extends OperatorSummary {
  /** How many there are once the model is prepared for quantizing: constants folded, nodes fused. */
  readonly prepared: number;
  /** How many of these are quantized if nothing else is asked for. */
  readonly quantizable: number;
  /** Why the others are not, each reason once. */
  readonly reasons: readonly string[];
}

/** What {@linkcode inspectOnnx} tells. */
export interface OnnxInspection {
  /** What made the file, with its version. */
  readonly producer: string;
  /** The version of the file's format. */
  readonly irVersion: number;
  /** Versions of the operator sets, by domain; ONNX's own is `ai.onnx`. */
  readonly opset: Readonly<Record<string, number>>;
  /** How many nodes there are, in graphs inside of nodes too, `Constant` not counted. */
  readonly nodes: number;
  /** Constants: how many tensors, their elements, their bytes and the bytes of each element type. */
  readonly constants: ConstantsSummary;
  /** Whether it has operators that only quantized models have. */
  readonly quantized: boolean;
  /** What must be given to it. */
  readonly inputs: readonly TensorInfo[];
  /** What it gives. */
  readonly outputs: readonly TensorInfo[];
  /** Those with the most bytes first; at the end those that preparing makes, with a `count` of 0. */
  readonly operators: readonly InspectedOperator[];
  /** Whether what is said of quantizing is about the model as it is prepared for it, or about the file as it
   * is: preparing needs onnxruntime, and that the permission `--allow-ffi`. */
  readonly prepared: boolean;
  /** Why nothing can be quantized, if that is so as a whole. */
  readonly problem?: string;
}

/** What can be quantized in a model that is quantized already. */
const NOTHING: QuantizableNodes = {
  operators: new Map(),
  prepared: false,
  problem: "the model is quantized already",
};

/**
 * Looks into a model: what it takes and gives, its operators and constants, and which nodes
 * {@linkcode quantizeStatic} would quantize.
 *
 * @param source a path, a file's bytes, or a loaded model, which is not changed.
 * @throws {OnnxError} if it is no ONNX model.
 *
 * @example
 * ```ts
 * import { exportOnnx, inspectOnnx, Linear, randn } from "@staticquant/staticquant";
 * const { operators, inputs } = await inspectOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * const [{ op, parameters, quantizable }] = operators;
 * console.log(inputs[0].dims, op, parameters, quantizable); // [ "batch", 4 ] Gemm 10 1
 * ```
 */
export async function inspectOnnx(source: OnnxSource): Promise<OnnxInspection> {
  const model = source instanceof OnnxModel ? source : await loadOnnx(source);
  const { producerName, producerVersion, irVersion, opsetImport } = model.proto;
  const { constants, operators } = summarizeModel(model);
  const quantized = quantizedNode(model) !== undefined;
  const found = quantized ? NOTHING : await quantizableNodes("inspectOnnx", model);
  return {
    producer: [producerName, producerVersion].filter(Boolean).join(" "),
    irVersion: Number(irVersion),
    opset: Object.fromEntries(
      opsetImport.map(({ domain, version }) => [domain || "ai.onnx", Number(version)]),
    ),
    nodes: operators.reduce((sum, { count }) => sum + count, 0),
    constants,
    quantized,
    inputs: modelInputs(model),
    outputs: modelOutputs(model),
    operators: inspected(operators, found),
    prepared: found.prepared,
    problem: found.problem,
  };
}

/** The operators of the file with what was found out, then those that it has only once prepared. */
function inspected(
  operators: readonly OperatorSummary[],
  { operators: found }: QuantizableNodes,
): InspectedOperator[] {
  const left = new Map(found);
  const rows = operators.map((row) => {
    const key = operatorKey({ domain: row.domain, opType: row.op });
    const { nodes = 0, quantizable = 0, reasons = [] } = left.get(key) ?? {};
    left.delete(key);
    return { ...row, prepared: nodes, quantizable, reasons };
  });
  const added = [...left.values()].map(({ node, nodes, quantizable, reasons }) => ({
    ...{ op: node.opType, domain: node.domain, count: 0, parameters: 0, bytes: 0, share: 0 },
    ...{ prepared: nodes, quantizable, reasons },
  }));
  return [...rows, ...added];
}
