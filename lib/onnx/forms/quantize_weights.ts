/**
 * Weights in few bits, activations in floats.
 *
 * @module
 */
import { checkChoice, checkOptions, given } from "../../numbers/arguments.ts";
import type { OnnxCalibration, OnnxSource } from "../calibration/calibrate.ts";
import { LONGEST_ROW } from "../../quantization/statistics/covariance.ts";
import { floatOf, intOf } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { PRODUCER } from "../graph/new_model.ts";
import { isOp } from "../graph/operator.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";
import type { OnnxFeeds } from "../run/runtime.ts";
import { upgradeOpset } from "../upgrade/upgrade_opset.ts";
import type { MadeModel } from "../verify/mend.ts";
import { type BlockLayout, transposed } from "./blocks.ts";
import type { Bnb4Type } from "./bnb4.ts";
import { type EmbeddingBits, quantizeTables } from "./embedding_tables.ts";
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
import { constantInput, GraphEditors, type PlacedNode } from "./graph_editors.ts";
import { checkUnquantized } from "./how_quantized.ts";
import { inputProducts, type ReadValue } from "./input_products.ts";
import { learnInputs } from "./learn_inputs.ts";
import { madeUpSamples } from "./made_up_sample.ts";
import { selected } from "./selection.ts";
import { LEAST_OPSET as THREES_OPSET } from "./three_bits.ts";
import {
  type FloatWeight,
  type StoredWeight,
  WEIGHT_FORMATS,
  type WeightsFormat,
} from "./weight_formats.ts";

import {
  type RounderSpecs,
  WEIGHT_METHODS,
  WeightRounder,
  type WeightsMethod,
} from "./weight_rounder.ts";

export type { WeightsMethod } from "./weight_rounder.ts";
export type { WeightsFormat } from "./weight_formats.ts";
export type { Bnb4Type } from "./bnb4.ts";
export type { EmbeddingBits } from "./embedding_tables.ts";

/** Opens the errors. */
const WHERE = "quantizeWeights";

/** Options of {@linkcode quantizeWeights}. */
export interface QuantizeWeightsOptions extends FormOptions {
  /**
   * Bits a weight; 4 by default, with which onnxruntime multiplies since 1.20, natively and in browsers. MatMulNBits
   * of 8 bits needs 1.23, of 2 bits 1.24. Of 3 bits, for which there is no kernel, are the integers in the file;
   * onnxruntime spreads them over 4 when it opens it, so that they save bytes and no time.
   */
  bits?: 2 | 3 | 4 | 8;
  /** Neighbours along the inputs of a layer that share a scale: 16, 32, 64, 128 or 256; 32 by default, 64 for `"bnb4"`. */
  groupSize?: number;
  /**
   * How weights are rounded; by default `"gptq"`, or `"mse"` for a model so large that it would take minutes.
   *
   * - `"nearest"`: the ends of a group are the ends of the integers
   * - `"mse"`: what has the least squared error, clipping against rounding
   * - `"hqq"`: what lets a few errors be large so that most are small
   * - `"gptq"`: what changes products least with what layers read on the samples in `data`; without samples, on
   *   made-up ones: rows of the model's own tables, or noise, by a seed
   * - `"awq"`: as `"mse"`, with weights that read much made larger and what they read smaller, by a Mul for each value
   */
  method?: WeightsMethod;
  /**
   * A calibration of the model, such as many machines have made together, in place of `data`: one that has learnt
   * `"covariance"` for `"gptq"`, or `"channelSums"` for `"awq"`.
   */
  calibration?: OnnxCalibration;
  /**
   * Whether 0 is in the middle of the integers, so that no zero points are stored; not by default.
   */
  symmetric?: boolean;
  /**
   * What onnxruntime may round activations to while it multiplies: 0 or 1 for float32, 2 for float16, 3 for
   * bfloat16, 4 for integers of 8 bits, which is fastest on a CPU. 0 by default, which leaves it to onnxruntime.
   */
  accuracyLevel?: 0 | 1 | 2 | 3 | 4;
  /**
   * How the file says it: `"nbits"`, onnxruntime's MatMulNBits, by default; `"qdq"`, ONNX's DequantizeLinear over
   * blocks, which needs operator set 21 and 4 or 8 bits; `"bnb4"`, onnxruntime's MatMulBnb4, whose 16 values are
   * floats.
   */
  format?: WeightsFormat;
  /** Which floats `"bnb4"` has: `"nf4"`, quantiles of a normal distribution, by default, or `"fp4"`. */
  bnb4Type?: Bnb4Type;
  /**
   * Bits of tables that are looked up in, such as embeddings: 8 with a scale a row by default, 4 in groups as weights
   * by GatherBlockQuantized, or 32, which leaves them float.
   */
  embeddingBits?: EmbeddingBits;
  /** Whether the model goes through {@linkcode prepareOnnx} first; yes by default. */
  prepare?: boolean;
}

const OPTIONS = [
  ...FORM_OPTIONS,
  "bits",
  "groupSize",
  "method",
  "calibration",
  "symmetric",
  "accuracyLevel",
  "format",
  "bnb4Type",
  "embeddingBits",
  "prepare",
];

/** The operators whose weights can have few bits. */
const OPERATORS: readonly string[] = ["Gather", "Gemm", "MatMul"];

/** The settings with their defaults. */
interface Specs extends Omit<RounderSpecs, "method"> {
  /** Chosen by the model's size if there is none. */
  readonly method: WeightsMethod | undefined;
  readonly accuracyLevel: number;
  readonly format: WeightsFormat;
  readonly bnb4Type: Bnb4Type;
  readonly embeddingBits: EmbeddingBits;
}

/** The version of onnxruntime from which on MatMulNBits has so many bits, native or in WebAssembly; tried from 1.20 on. */
const NEEDED: ReadonlyMap<number, string> = new Map([[2, "1.24"], [8, "1.23"]]);

const GROUP_SIZES = [16, 32, 64, 128, 256];

/** @throws {TypeError | RangeError} if an option is none. */
function specsOf(options: QuantizeWeightsOptions): Specs {
  checkOptions(WHERE, options, OPTIONS);
  const {
    bits = 4,
    groupSize = options.format === "bnb4" ? 64 : 32,
    method,
    symmetric = false,
    accuracyLevel = 0,
    format = "nbits",
    bnb4Type = "nf4",
    embeddingBits = 8,
  } = options;
  if (method !== undefined) checkChoice(WHERE, "method", method, WEIGHT_METHODS);
  checkChoice(WHERE, "format", format, Object.keys(WEIGHT_FORMATS) as WeightsFormat[]);
  checkChoice(WHERE, "bnb4Type", bnb4Type, ["nf4", "fp4"]);
  const oneOf = (name: string, value: unknown, known: readonly unknown[], more = "") => {
    if (known.includes(value)) return;
    throw new RangeError(
      `${WHERE}: ${name} is ${given(value)}; use one of ${known.join(", ")}${more}`,
    );
  };
  oneOf("bits", bits, [2, 3, 4, 8]);
  oneOf("groupSize", groupSize, GROUP_SIZES, "; onnxruntime has kernels for these");
  oneOf("accuracyLevel", accuracyLevel, [0, 1, 2, 3, 4]);
  oneOf("embeddingBits", embeddingBits, [4, 8, 32]);
  if (format === "bnb4" && bits !== 4) {
    throw new RangeError(`${WHERE}: format "bnb4" has 4 bits, not ${bits}`);
  }
  if (format === "qdq" && (bits === 2 || bits === 3)) {
    throw new RangeError(
      `${WHERE}: format "qdq" has 4 or 8 bits, for ONNX has no type of 3, and DequantizeLinear of 2 needs operator ` +
        `set 25; use format "nbits"`,
    );
  }
  return {
    ...{ bits, groupSize, method, symmetric, accuracyLevel },
    ...{ format, bnb4Type, embeddingBits },
  };
}

/** A weight, and how a node multiplies with it. */
interface Weight {
  readonly tensor: TensorProto;
  /** Whether its rows are the layer's outputs already. */
  readonly turned: boolean;
}

/** The weight of a node that can have few bits, or why it cannot. */
function weightOf(placed: PlacedNode): Weight | string {
  const { node } = placed;
  const tensor = constantInput(placed, 1);
  if (!tensor) return "its second factor is no constant";
  const weight = floatConstant(tensor);
  if (!weight) return "its weight is not float32";
  if (weight.dims.length !== 2) return "its weight is no matrix";
  if (weight.dims.includes(0)) return "its weight is empty";
  if (node.opType === "MatMul") return { tensor, turned: false };
  if (intOf(node, "transA", 0)) return "its first factor is transposed";
  if (floatOf(node, "alpha", 1) !== 1 || floatOf(node, "beta", 1) !== 1) {
    return "it multiplies with alpha or beta";
  }
  return { tensor, turned: intOf(node, "transB", 0) !== 0 };
}

/** The sizes of a weight as the writers have it. */
function layoutOf({ tensor, turned }: Weight, specs: Specs): BlockLayout {
  const [first, second] = tensorDims(tensor);
  const [rows, columns] = turned ? [first, second] : [second, first];
  return { rows, columns, groupSize: specs.groupSize, bits: specs.bits };
}

/** About what names and attributes take in a file, in bytes. */
const NODE_BYTES = 256;

/** Why a weight stays float that takes no less than its integers. */
function tooSmall(weight: Weight, specs: Specs): string | undefined {
  const { rows, columns, groupSize, bits } = layoutOf(weight, specs);
  const groups = Math.ceil(columns / groupSize);
  const bytes = rows * groups * (groupSize * bits / 8 + 5) + NODE_BYTES;
  return bytes < 4 * rows * columns ? undefined : "its weight is too small to gain by it";
}

/** The elements of a weight. */
function floatWeight(
  { tensor, turned }: Weight,
  { rows, columns }: BlockLayout,
): FloatWeight {
  using weight = floatConstant(tensor)!;
  const data = turned ? weight.data.slice() : transposed(weight.data, columns, rows);
  return { name: tensor.name, rows, columns, data };
}

/** Has a node multiply a value with a weight that was stored. */
function multiply(placed: PlacedNode, input: string, stored: StoredWeight): void {
  const { editor, node } = placed;
  const [output] = node.output;
  const bias = node.opType === "Gemm" ? node.input[2] : undefined;
  if (!bias) {
    editor.replace(node, stored.product(placed, input, output));
    return;
  }
  const raw = editor.name(`${output}/product`);
  editor.replace(
    node,
    stored.product(placed, input, raw),
    editor.node(`${output}/Add`, "Add", [raw, bias], [output]),
  );
}

/** What a weight is known by, and whose factors its columns have. */
function keyOf({ turned, tensor }: Weight, input = ""): string {
  return `${turned} ${tensor.name} ${input}`;
}

/** Puts the weights of one copy of a model into few bits. */
class WeightsWriter {
  private readonly store;
  private readonly stored = new Map<string, StoredWeight>();
  /** What values are read as whose channels are divided by factors. */
  private readonly divided = new Map<string, string>();

  constructor(
    private readonly graphs: GraphEditors,
    private readonly specs: Specs,
    private readonly rounder: WeightRounder,
  ) {
    this.store = WEIGHT_FORMATS[specs.format](graphs, specs);
  }

  /** Has a node multiply with its weight in few bits. */
  write(placed: PlacedNode, weight: Weight): void {
    const { specs, stored } = this;
    const [input] = placed.node.input;
    const outermost = placed.editor === this.graphs.main;
    const factors = outermost
      ? this.rounder.factors(input, () => this.readersOf(input))
      : undefined;
    const key = keyOf(weight, factors ? input : "");
    const known = stored.get(key) ?? this.store(
      floatWeight(weight, layoutOf(weight, specs)),
      (floats) => this.rounder.round(key, floats, outermost ? input : "", factors),
    );
    stored.set(key, known);
    multiply(placed, factors ? this.divide(placed, input, factors) : input, known);
  }

  /** All weights that a value of the outermost graph is multiplied with. */
  private readersOf(input: string) {
    return this.graphs.nodes.flatMap((placed) => {
      const { editor, node } = placed;
      if (editor !== this.graphs.main || node.input[0] !== input) return [];
      const weight = isOp(node, "Gemm", "MatMul") ? weightOf(placed) : "";
      return typeof weight === "string" ? [] : [floatWeight(weight, layoutOf(weight, this.specs))];
    });
  }

  /** The name of a value whose channels are divided; it is divided once for all who read it. */
  private divide({ editor, graph }: PlacedNode, input: string, factors: Float32Array): string {
    const known = this.divided.get(input);
    if (known !== undefined) return known;
    const by = editor.constant(
      `${input}_factors`,
      "float32",
      [factors.length],
      factors.map((x) => 1 / x),
    );
    const divided = editor.name(`${input}_divided`);
    const node = editor.node(`${divided}/Mul`, "Mul", [input, by], [divided]);
    const producer = graph.node.find(({ output }) => output.includes(input));
    if (producer) editor.insertAfter(producer, node);
    else editor.prepend(node);
    this.divided.set(input, divided);
    return divided;
  }
}

/** Brings the weights of a copy of a model into few bits. */
function make(
  float: OnnxModel,
  specs: Specs,
  options: FormOptions,
  rounder: WeightRounder,
  left: ReadonlyMap<string, string>,
): MadeModel {
  const opset = specs.format === "qdq" ? 21 : specs.bits === 3 ? THREES_OPSET : 0;
  const model = float.opset() < opset ? upgradeOpset(float, opset).clone() : float.clone();
  const all = [...walkGraphs(model.graph)].flatMap(({ node }) => node);
  const chosen = selected(WHERE, all, OPERATORS, options);
  const kept = (node: NodeProto) => left.get(nodeName(node)) ?? chosen(node);
  const tables = quantizeTables(WHERE, model, kept, specs);
  const graphs = new GraphEditors(model);
  const writer = new WeightsWriter(graphs, specs, rounder);
  const nodes = graphs.nodes.flatMap((placed): QuantizedNode[] => {
    const { node } = placed;
    const { opType } = node;
    const name = nodeName(node);
    const table = tables.get(name);
    if (table) return [table];
    if (!isOp(node, "Gemm", "MatMul")) return [];
    const weight = weightOf(placed);
    const reason = kept(node) ?? (typeof weight === "string" ? weight : tooSmall(weight, specs));
    if (reason !== undefined || typeof weight === "string") {
      return [{ name, opType, quantized: false, reason }];
    }
    checkFiniteWeight(WHERE, placed, 1);
    writer.write(placed, weight);
    return [{ name, opType, quantized: true }];
  });
  graphs.finish();
  Object.assign(model.proto, PRODUCER);
  return { model, nodes };
}

/** Multiplications that `"gptq"` may take to be the default: about a minute's. */
const MOST_WORK = 2 ** 36;

/** Made-up samples, and the size of a batch of each: rows enough for the longest products. */
const MADE_UP = { count: 10, batch: 16, lengths: [24, 8, 32, 64, 224, 1] };

/** Weights by the values of the outermost graph that they are multiplied with. */
type WeightsByInput = ReadonlyMap<string, readonly Weight[]>;

/**
 * The weights of the outermost graph that are to have few bits.
 *
 * @throws {OnnxError} if one holds a NaN or an infinity.
 */
function weightsByInput(model: OnnxModel, specs: Specs, options: FormOptions): WeightsByInput {
  const { graphs: [{ graph }], nodes } = new GraphEditors(model);
  const kept = selected(WHERE, nodes.map(({ node }) => node), OPERATORS, options);
  const found = nodes.flatMap((placed): { weight: Weight; input: string }[] => {
    const { node } = placed;
    if (placed.graph !== graph || !isOp(node, "Gemm", "MatMul") || kept(node)) return [];
    const weight = weightOf(placed);
    if (typeof weight === "string" || tooSmall(weight, specs)) return [];
    checkFiniteWeight(WHERE, placed, 1);
    return [{ weight, input: node.input[0] }];
  });
  const byInput = Map.groupBy(found, ({ input }) => input);
  return new Map([...byInput].map(([input, all]) => [input, all.map(({ weight }) => weight)]));
}

/** What is multiplied to round all weights by what they read. */
function workOf(weights: WeightsByInput, specs: Specs): number {
  let work = 0;
  for (const readers of weights.values()) {
    for (const weight of readers) {
      const { rows, columns } = layoutOf(weight, specs);
      work += (rows + columns / 6) * columns ** 2;
    }
  }
  return work;
}

/** What rounds the weights of a model. */
interface Rounding {
  readonly rounder: WeightRounder;
  /** The first of the samples that were given. */
  readonly sample: OnnxFeeds | undefined;
  readonly warnings: readonly string[];
}

/** What rounds weights by a method, from what a calibration has learnt. */
function roundingByCalibration(
  method: WeightsMethod,
  specs: Specs,
  calibration: OnnxCalibration,
  weights: WeightsByInput,
): Rounding {
  const learnt = method === "awq" ? calibration.learned("channelSums") : undefined;
  const rounder = new WeightRounder({ ...specs, method }, learnt);
  if (method === "gptq") {
    for (const [input, covariance] of calibration.learned("covariance")) {
      const read = covariance.count > 0 ? weights.get(input) ?? [] : [];
      for (const weight of read) {
        if (rounder.has(keyOf(weight))) continue;
        const floats = floatWeight(weight, layoutOf(weight, specs));
        rounder.roundBy(keyOf(weight), floats, { products: covariance.matrix(), madeUp: false });
      }
    }
  }
  return { rounder, sample: calibration.firstSample, warnings: [] };
}

/** What rounds weights by a method. */
async function roundingBy(
  method: WeightsMethod,
  model: OnnxModel,
  specs: Specs,
  { data, calibration, signal }: QuantizeWeightsOptions,
  weights: WeightsByInput,
): Promise<Rounding> {
  if (calibration) return roundingByCalibration(method, specs, calibration, weights);
  const rounder = new WeightRounder({ ...specs, method });
  if (method !== "gptq" && method !== "awq") {
    return { rounder, sample: await firstSample(data), warnings: [] };
  }
  const { count, lengths, batch } = MADE_UP;
  const samples = data ?? await madeUpSamples(WHERE, model, count, lengths, batch);
  const job = { where: WHERE, model, samples, signal };
  if (method === "awq") {
    const { statistics, first } = await learnInputs({ ...job, kind: "channelSums" });
    const learnt = new WeightRounder({ ...specs, method }, statistics);
    return { rounder: learnt, sample: data && first, warnings: [] };
  }
  const values = [...weights].map(([name, [weight]]): ReadValue => {
    return { name, columns: layoutOf(weight, specs).columns };
  }).filter(({ columns }) => columns <= LONGEST_ROW);
  const first = await inputProducts({ ...job, values }, ({ name, products }) => {
    // Inputs that are always 0 say nothing.
    if (!products.some((x) => x !== 0)) return;
    for (const weight of weights.get(name)!) {
      signal?.throwIfAborted();
      if (rounder.has(keyOf(weight))) continue;
      const floats = floatWeight(weight, layoutOf(weight, specs));
      rounder.roundBy(keyOf(weight), floats, { products, madeUp: !data });
    }
  });
  return { rounder, sample: data && first, warnings: [] };
}

/** What rounds weights by the method that was asked for, or by the best that the model allows. */
async function rounding(
  model: OnnxModel,
  specs: Specs,
  options: QuantizeWeightsOptions,
): Promise<Rounding> {
  const by = (method: WeightsMethod, weights: WeightsByInput) =>
    roundingBy(method, model, specs, options, weights);
  // MatMulBnb4 has values of its own.
  if (specs.format === "bnb4") return await by("nearest", new Map());
  const weights = weightsByInput(model, specs, options);
  if (specs.method) return await by(specs.method, weights);
  if (workOf(weights, specs) > MOST_WORK) return await by("mse", weights);
  try {
    return await by("gptq", weights);
  } catch (error) {
    options.signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    const warning =
      `weights were rounded without regard to what layers read, by the method "mse": ${why}`;
    return { ...await by("mse", weights), warnings: [warning] };
  }
}

/**
 * Brings the weights of a float ONNX model into 2, 3, 4 or 8 bits; it goes on to compute with floats. Matrices of MatMul and
 * Gemm become groups of integers with a scale each, which onnxruntime's MatMulNBits multiplies with; tables of
 * embeddings get bytes with a scale a row. No samples are needed.
 *
 * The result is opened in onnxruntime and run once; what it does not run stays float, with the reason.
 *
 * @param source the float model; it is not changed.
 * @throws {OnnxError} if the model is quantized already or has no such weight, a weight is NaN or infinite, a name
 * in the options is not known, or the calibration is of another model or has not learnt what the method asks for.
 * @throws {TypeError | RangeError} if an option is none, or onnxruntime has no kernel for it.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, quantizeWeights, randn } from "@staticquant/staticquant";
 * const float = await exportOnnx(new Linear(256, 256), randn([1, 256]));
 * const { model, nodes } = await quantizeWeights(float, { bits: 4, groupSize: 32 });
 * console.log(nodes[0].quantized, float.length, model.toBytes().length); // true 26… 4…
 * // await saveOnnx(model, "model_q4.onnx");
 * ```
 */
export async function quantizeWeights(
  source: OnnxSource,
  options: QuantizeWeightsOptions = {},
): Promise<FormResult> {
  const specs = specsOf(options);
  const model = await modelOf(source);
  checkUnquantized(WHERE, model);
  await options.calibration?.checkModel(WHERE, model);
  const float = await preparedModel(model, options.prepare);
  const { rounder, sample, warnings } = await rounding(float, specs, options);
  const { left: _, ...result } = await verifiedForm({
    where: WHERE,
    float,
    sample,
    options,
    make: (left) => Promise.resolve(make(float, specs, options, rounder, left)),
  });
  const needed = specs.format === "nbits" ? NEEDED.get(specs.bits) : undefined;
  const told = needed === undefined
    ? []
    : [`products with weights of ${specs.bits} bits need onnxruntime ${needed} or later`];
  return { ...result, warnings: [...warnings, ...result.warnings, ...told] };
}
