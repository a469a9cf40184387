/**
 * Models on bytes whose activations get their ranges while the model runs.
 *
 * @module
 */
import { checkChoice, checkOptions } from "../../numbers/arguments.ts";
import type { OnnxSource } from "../calibration/calibrate.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { PRODUCER } from "../graph/new_model.ts";
import { isOp } from "../graph/operator.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";
import type { MadeModel } from "../verify/mend.ts";
import { DYNAMIC_OPERATORS, type DynamicSpecs, DynamicWriter, layerOf } from "./dynamic_layers.ts";
import { quantizeTables } from "./embedding_tables.ts";
import {
  checkFiniteWeight,
  firstSample,
  FORM_OPTIONS,
  type FormOptions,
  type FormResult,
  modelOf,
  preparedModel,
  verifiedForm,
} from "./form.ts";
import { GraphEditors } from "./graph_editors.ts";
import { checkUnquantized } from "./how_quantized.ts";
import { cheapReadOuts } from "./read_outs.ts";
import { selected } from "./selection.ts";
import { tooSmall, writeStored } from "./stored_weights.ts";

/** Opens the errors. */
const WHERE = "quantizeDynamic";

/** The least operator set that has DynamicQuantizeLinear. */
const LEAST_OPSET = 11;

/** Options of {@linkcode quantizeDynamic}. */
export interface QuantizeDynamicOptions extends FormOptions {
  /**
   * The integers of weights; `"int8"` by default, around 0. Those of `"uint8"` reach from the least to the greatest
   * weight unless each channel has a scale. Convolutions have bytes around 128 either way, for which every onnxruntime
   * has a kernel.
   */
  weightType?: "int8" | "uint8";
  /** Whether each output channel of a weight has a scale of its own; yes by default, but for LSTM. */
  perChannel?: boolean;
  /**
   * Whether weights have 7 bits, so that kernels which add pairs of products in 16 bits cannot overflow; for
   * x64 processors without VNNI. Not by default.
   */
  reduceRange?: boolean;
  /** Whether tables that are looked up in, such as embeddings, get bytes with a scale a row; yes by default. */
  embeddings?: boolean;
  /**
   * Whether convolutions multiply bytes too, by ConvInteger; not by default, for onnxruntime's kernel for that takes
   * longer than the one for floats. They multiply floats with their bytes then.
   */
  integerConvolutions?: boolean;
  /**
   * Whether the layers from which outputs come multiply floats with their bytes, where that is a hundredth of all
   * products at most; yes by default. What is rounded there, no later layer makes even.
   */
  floatReadOuts?: boolean;
  /** Whether the model goes through {@linkcode prepareOnnx} first; yes by default. */
  prepare?: boolean;
}

const OPTIONS = [
  ...FORM_OPTIONS,
  "weightType",
  "perChannel",
  "reduceRange",
  "embeddings",
  "integerConvolutions",
  "floatReadOuts",
  "prepare",
];

/** The operators that can be quantized so. */
const OPERATORS: readonly string[] = ["Gather", "GatherND", ...DYNAMIC_OPERATORS];

/** @throws {TypeError} if an option is none. */
function specsOf(options: QuantizeDynamicOptions): DynamicSpecs {
  checkOptions(WHERE, options, OPTIONS);
  const { weightType = "int8", perChannel = true, reduceRange = false } = options;
  // The kernel for LSTM takes longer with many scales, and rounds the state at each step anyway.
  const perGate = options.perChannel ?? false;
  checkChoice(WHERE, "weightType", weightType, ["int8", "uint8"]);
  const symmetric = weightType === "int8";
  return { weight: { type: weightType, symmetric, reduceRange }, perChannel, perGate };
}

/** Puts the layers of a copy of a model on bytes. */
function make(
  float: OnnxModel,
  specs: DynamicSpecs,
  options: QuantizeDynamicOptions,
  left: ReadonlyMap<string, string>,
): MadeModel {
  const model = float.clone();
  const all = [...walkGraphs(model.graph)].flatMap(({ node }) => node);
  const chosen = selected(WHERE, all, OPERATORS, options);
  const kept = (node: NodeProto) => left.get(nodeName(node)) ?? chosen(node);
  const tables = quantizeTables(WHERE, model, kept, {
    bits: 8,
    symmetric: true,
    groupSize: 32,
    embeddingBits: options.embeddings === false ? 32 : 8,
  });
  const graphs = new GraphEditors(model);
  const writer = new DynamicWriter(graphs, specs);
  const { floatReadOuts = true, integerConvolutions = false } = options;
  const readOuts = floatReadOuts ? cheapReadOuts(graphs.graphs[0]) : new Set<NodeProto>();
  const inFloats = (node: NodeProto) =>
    readOuts.has(node) || !integerConvolutions && isOp(node, "Conv");
  const nodes = graphs.nodes.flatMap((placed): QuantizedNode[] => {
    const { node } = placed;
    const name = nodeName(node);
    const table = tables.get(name);
    if (table) return [table];
    const layer = layerOf(node);
    if (!layer) return [];
    const problem = kept(node) ?? layer.problem(placed);
    const onBytes = problem === undefined && layer.write && !inFloats(node) &&
      layer.isOnBytes?.(placed) !== false;
    const reason = problem ?? (onBytes ? undefined : tooSmall(placed, layer));
    const told = { name, opType: node.opType, quantized: reason === undefined };
    if (reason !== undefined) return [{ ...told, reason }];
    for (const index of layer.weights) checkFiniteWeight(WHERE, placed, index);
    if (onBytes) layer.write!(placed, writer);
    else writeStored(placed, layer, writer, readOuts.has(node));
    return [told];
  });
  graphs.finish();
  Object.assign(model.proto, PRODUCER);
  return { model, nodes };
}

/**
 * Quantizes a float ONNX model without any samples: weights become bytes, and activations get their ranges while the
 * model runs, each time anew. MatMul and Gemm become MatMulInteger, LSTM and Attention onnxruntime's own operators for
 * bytes; a value that several layers read is quantized once. Tables of embeddings get bytes with a scale a row.
 *
 * Layers for which onnxruntime has no kernel on bytes that is worth it, as convolutions and GRU, have their weights in
 * bytes in the file and multiply floats: onnxruntime makes these of them when it loads the model. So do layers from
 * which outputs come. All else computes with floats.
 *
 * It suits models whose time goes into matrices: transformers and recurrent layers. Convolutions are faster with
 * {@linkcode quantizeStatic}.
 *
 * The result is opened in onnxruntime and run once; what it does not run, or not right, stays float, with the reason.
 *
 * @param source the float model; it is not changed.
 * @throws {OnnxError} if the model is quantized already or has nothing to quantize, a weight is NaN or infinite, or a
 * name in the options is not known.
 * @throws {TypeError} if an option is none.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, quantizeDynamic, randn } from "@staticquant/staticquant";
 * const float = await exportOnnx(new Linear(256, 256), randn([1, 256]));
 * const { model, nodes } = await quantizeDynamic(float);
 * console.log(nodes[0].quantized, float.length, model.toBytes().length); // true 26… 6…
 * // await saveOnnx(model, "model_quantized.onnx");
 * ```
 */
export async function quantizeDynamic(
  source: OnnxSource,
  options: QuantizeDynamicOptions = {},
): Promise<FormResult> {
  const specs = specsOf(options);
  const model = await modelOf(source);
  checkUnquantized(WHERE, model);
  const float = await preparedModel(model, options.prepare);
  if (float.opset() < LEAST_OPSET) {
    throw new OnnxError(
      `${WHERE}: the model has operator set ${float.opset()}, and DynamicQuantizeLinear came with ` +
        `${LEAST_OPSET}; have it prepared, or upgrade it by upgradeOpset`,
    );
  }
  const { left: _, ...result } = await verifiedForm({
    where: WHERE,
    float,
    sample: await firstSample(options.data),
    options,
    make: (left) => Promise.resolve(make(float, specs, options, left)),
  });
  return result;
}
