/**
 * Quantizing ONNX models with ranges from sample inputs.
 *
 * @module
 */
import { checkChoice, given } from "../numbers/arguments.ts";
import {
  type AddSamplesOptions,
  calibrateOnnx,
  OnnxCalibration,
  type OnnxSamples,
  type OnnxSource,
} from "./calibration/calibrate.ts";
import { type BestMethod, bestMethod } from "./calibration/best_method.ts";
import type { CalibrationOptions } from "./calibration/method.ts";
import type { OnnxModel } from "./file/model.ts";
import { OnnxError } from "./file/onnx_error.ts";
import type { TensorOverride } from "./qdq/activation_params.ts";
import { channelScales } from "./qdq/channel_scales.ts";
import { cutGates } from "./qdq/cut_gates.ts";
import { fillChannels } from "./qdq/fill_channels.ts";
import { GraphFacts } from "./qdq/graph_facts.ts";
import type { QuantType, TensorRange } from "./qdq/params.ts";
import {
  type QuantizedActivation,
  type QuantizedGraph,
  type QuantizedNode,
  quantizeGraph,
} from "./qdq/quantize_graph.ts";
import type { Specs } from "./qdq/quantizer.ts";
import type { QuantizedConstant } from "./qdq/weights.ts";
import { dynamicLstms, hasLstm } from "./forms/dynamic_lstms.ts";
import { type ByLatency, placeByLatency, WORTHWHILE } from "./placement/by_latency.ts";
import { ACCURATE_OPERATORS, OPTIMIZE_FOR, type OptimizeFor } from "./qdq/selection.ts";
import {
  QUANTIZE_TARGETS,
  type QuantizeTarget,
  type Target,
  TARGETS,
  withDefaults,
} from "./qdq/targets.ts";
import { Race, timeShare } from "./run/race.ts";
import { type VerifiedGraph, verifiedGraph } from "./verify/verify.ts";

export type { OptimizeFor } from "./qdq/selection.ts";
export type { BestMethod, ChosenMethod } from "./calibration/best_method.ts";
export type { QuantizeTarget } from "./qdq/targets.ts";
export type { TensorOverride } from "./qdq/activation_params.ts";
export type { QuantizedActivation, QuantizedNode } from "./qdq/quantize_graph.ts";

/** Opens the errors. */
const WHERE = "quantizeStatic";

/** Options of {@linkcode quantizeStatic}. */
export interface QuantizeStaticOptions extends CalibrationOptions, AddSamplesOptions {
  /** The integers of activations; `"uint8"` by default, which all of onnxruntime's kernels take. */
  activationType?: "uint8" | "int8";
  /**
   * The integers of weights; `"int8"` by default. With 4 bits, the matrices of MatMul have a scale for every
   * 32 rows of a column and are multiplied with floats, by onnxruntime's kernel for them; the weights of
   * other operators have 8 bits then. It needs operator set 21, which the model is brought to.
   */
  weightType?: QuantType;
  /** Whether each output channel of a weight has a scale of its own; yes by default. */
  perChannel?: boolean;
  /** Whether 0 is in the middle of the ranges of activations; not by default. */
  activationSymmetric?: boolean;
  /**
   * Whether 0 is in the middle of the ranges of weights; yes by default, and always with `perChannel`, since
   * integer kernels take one zero point for all channels.
   */
  weightSymmetric?: boolean;
  /**
   * Whether weights have 7 bits, so that kernels which add pairs of products in 16 bits cannot overflow; for
   * x64 processors without VNNI. Not by default.
   */
  reduceRange?: boolean;
  /**
   * What the file is for, `"onnxruntime"` by default: it gives the defaults of the other options, and what else those who
   * run it want ({@linkcode QuantizeTarget}). With `"web"` (tried in 1.20, 1.22, 1.23 and 1.30), activations go through
   * QuantizeLinear and DequantizeLinear of onnxruntime's own domain, and nodes stay float that WebAssembly computes faster
   * so, depthwise convolutions and what stands between them above all. onnxruntime runs such a file as well.
   */
  target?: QuantizeTarget;
  /**
   * What is to be gained, where the default is between them.
   *
   * - `"latency"`: groups of nodes stay float without which onnxruntime is faster on this machine, found by timing the
   *   model on the first sample for up to 15 s, and LSTMs are on bytes if that is faster. Another run may find others;
   *   `fasterInFloat` and `dynamicLstms` of the result tell, and the same file again takes these as `nodesToExclude` and
   *   `dynamicLstms`, with `cutGates`, in place of this
   * - `"size"`: all weights become integers, those too that are left in float by default since too much is lost
   * - `"accuracy"`: only nodes with weights compute with integers; sums, products and poolings between them with floats
   */
  optimize?: OptimizeFor;
  /**
   * Whether depthwise convolutions of other than multiples of 16 channels, which take onnxruntime's integer kernels twice as
   * long, get some more of zeros. No number changes by it, the file becomes up to some percent larger. Yes by default,
   * but for the smallest file and for targets that are run elsewhere.
   */
  fillChannels?: boolean;
  /**
   * Whether the gate of a HardSwish is the bytes of its input, cut off, in place of a sum: faster by some percent and no less
   * exact, for the range below the gate's beginning is given up. Not by default, but with `optimize: "latency"`.
   */
  cutGates?: boolean;
  /**
   * Whether LSTMs compute with bytes whose ranges are found at each step, as those of `quantizeDynamic`: for integers with
   * fixed ranges onnxruntime has no kernel. Not by default, but with `optimize: "latency"` where it is faster.
   */
  dynamicLstms?: boolean;
  /** Ranges, or scales and zero points, that are known better, by the names of activations. */
  tensorOverrides?: Readonly<Record<string, TensorOverride>>;
  /**
   * Whether the result is opened in onnxruntime and run on the first sample, as it is by default; a node that
   * onnxruntime does not run, or not right, is left in float then. Who makes many variants may want none of it.
   */
  verify?: boolean;
  /**
   * A folder where onnxruntime may write what it makes of the model, to tell which kernels it runs; by default the
   * system's for temporary files, if the program may read and write there. Nothing is left in it.
   */
  temporaryFolder?: string;
}

/** What {@linkcode quantizeStatic} gives. */
export interface QuantizeStaticResult {
  /** The quantized model. */
  readonly model: OnnxModel;
  /** What it was made from: the prepared float model and what was observed in it. */
  readonly calibration: OnnxCalibration;
  /** The nodes that can be quantized, in the graph's order, then those in graphs inside of nodes, and whether they
   * were. */
  readonly nodes: readonly QuantizedNode[];
  /** The activations that are bytes now. */
  readonly activations: readonly QuantizedActivation[];
  /** What a person should know of the model, each a sentence that says what to do; none if all is well. */
  readonly warnings: readonly string[];
  /** With `optimize: "latency"`, the names of the nodes that were found to be faster in float. */
  readonly fasterInFloat?: readonly string[];
  /** With `optimize: "latency"`, whether LSTMs were found to be faster on bytes. */
  readonly dynamicLstms?: boolean;
  /** With `calibrationMethod: "auto"`, the method that was chosen, and why. */
  readonly bestMethod?: BestMethod;
}

/** Why a node stays float that is faster so. */
const FASTER = "it, and what stands around it, was measured to be faster in float";

/** The options that are true or false. */
const SWITCHES = [
  ...[
    "perChannel",
    "activationSymmetric",
    "weightSymmetric",
    "reduceRange",
    "fillChannels",
  ] as const,
  ...["cutGates", "dynamicLstms", "prepare", "verify"] as const,
];

/** The settings with their defaults. */
function specsOf(options: QuantizeStaticOptions): Specs {
  const {
    perChannel = true,
    activationType = "uint8",
    weightType = "int8",
    activationSymmetric = false,
    weightSymmetric = true,
    reduceRange = false,
  } = withDefaults(options, targetOf(options));
  const check = (name: string, type: string, known: readonly string[]) => {
    if (!known.includes(type)) {
      throw new TypeError(`${WHERE}: ${name} is ${type}; use one of ${known.join(", ")}`);
    }
  };
  for (const name of SWITCHES) {
    if (options[name] === undefined || typeof options[name] === "boolean") continue;
    throw new TypeError(`${WHERE}: ${name} must be true or false, got ${given(options[name])}`);
  }
  check("activationType", activationType, ["uint8", "int8"]);
  check("weightType", weightType, ["int8", "uint8", "int4", "uint4"]);
  if (options.optimize !== undefined) {
    checkChoice(WHERE, "optimize", options.optimize, OPTIMIZE_FOR);
    if (options.optimize === "latency" && targetOf(options).elsewhere) {
      throw new TypeError(
        `${WHERE}: optimize "latency" times the model on this machine, and a file for ${options.target} runs on another`,
      );
    }
  }
  if (activationType === "int8" && weightType === "uint8") {
    throw new TypeError(
      `${WHERE}: activations of int8 go with weights of int8, not ${weightType}; onnxruntime has no ` +
        `kernel for them`,
    );
  }
  const symmetric = weightSymmetric || perChannel;
  const weight = { type: weightType, symmetric, reduceRange };
  const narrow = weightType.endsWith("4");
  return {
    activation: { type: activationType, symmetric: activationSymmetric },
    weight: narrow
      ? { ...weight, type: activationType === "int8" ? "int8" : wide(weightType) }
      : weight,
    nibbles: narrow ? { type: weightType, symmetric: weightSymmetric } : undefined,
    perChannel,
    target: targetOf(options),
  };
}

/** What the file is for. */
function targetOf({ target = "onnxruntime" }: QuantizeStaticOptions): Target {
  checkChoice(WHERE, "target", target, QUANTIZE_TARGETS);
  return TARGETS[target];
}

/** Options with the operators that become integers for the target, if it names some and the caller none. */
function withOperators(options: QuantizeStaticOptions): QuantizeStaticOptions {
  if (options.opTypesToQuantize || options.nodesToQuantize) return options;
  const { opTypesToQuantize } = withDefaults(options, targetOf(options));
  return opTypesToQuantize ? { ...options, opTypesToQuantize } : options;
}

/** The type of 8 bits. */
function wide(type: QuantType): QuantType {
  return type.startsWith("u") ? "uint8" : "int8";
}

/**
 * Quantizes a float ONNX model: activations and weights become integers of 8 bits, with ranges from sample
 * inputs. The model is written in the QDQ format, QuantizeLinear and DequantizeLinear around each node, placed
 * so that onnxruntime puts integer kernels in their place.
 *
 * What is computed with integers: Conv, Gemm and MatMul, attention included; sums, products, poolings,
 * Sigmoid, Concat and the like where they stand between such nodes; Relu and Clip become part of the range.
 * What only moves elements lets bytes through. Softmax, normalizations and the graph's last layers stay float.
 *
 * The result is opened in onnxruntime and run on the first sample. What onnxruntime does not run, or computes
 * wrongly, is found and left in float; what it computes in float after all is told.
 *
 * @param source the float model; it is not changed. With a calibration, its prepared model is what counts.
 * @param data sample inputs, or a calibration, which may be used again with other options.
 * @throws {OnnxError} if the model is quantized already or has nothing to quantize, there are no samples, a
 * weight or an activation is NaN or infinite, a name in the options is not known, or onnxruntime does not run the result
 * whatever is left in float.
 * @throws {TypeError | RangeError} if a sample does not fit the model, or an option is not one.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, quantizeStatic, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 64), relu: new ReLU(), fc2: new Linear(64, 8) });
 * const float = await exportOnnx(m, randn([1, 64]));
 * const samples = Array.from({ length: 16 }, () => ({ input: randn([1, 64]) }));
 * const { model, nodes } = await quantizeStatic(float, samples);
 * console.log(float.length, model.toBytes().length); // 18… 7…
 * console.log(nodes.map(({ opType, quantized }) => `${opType} ${quantized}`));
 * // await saveOnnx(model, "model.int8.onnx");
 * ```
 */
export async function quantizeStatic(
  source: OnnxSource,
  data: OnnxSamples | OnnxCalibration,
  options: QuantizeStaticOptions = {},
): Promise<QuantizeStaticResult> {
  specsOf(options); // before work is spent on what is no option
  const observed = data instanceof OnnxCalibration
    ? data
    : await calibrateOnnx(source, data, withOperators(options));
  const best = options.calibrationMethod === "auto"
    ? await bestMethod(
      WHERE,
      observed,
      async (ranges) => (await graphOf(observed, options, { ranges })).model,
    )
    : undefined;
  const calibration = best?.calibration ?? observed;
  const isToBeFast = options.optimize === "latency";
  const lstms = isToBeFast && await fasterOnBytes(calibration, options);
  const decided = lstms ? { ...options, dynamicLstms: true } : options;
  const placed = isToBeFast ? await fasterInFloat(calibration, decided) : undefined;
  const left = new Map(placed?.left.map((name) => [name, FASTER]));
  const { model, nodes, activations, warnings } = await quantizeCalibrated(
    calibration,
    decided,
    left,
  );
  const result = { model, calibration, nodes, activations, warnings };
  return {
    ...result,
    ...placed && { fasterInFloat: placed.left, dynamicLstms: lstms },
    ...best && { bestMethod: { method: best.method, sqnr: best.sqnr, samples: best.samples } },
  };
}

/** Whether LSTMs are faster on bytes, by the first sample, unless it is said what they are to be. */
export async function fasterOnBytes(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions,
): Promise<boolean> {
  const { firstSample } = calibration;
  if (options.dynamicLstms !== undefined || !firstSample || !hasLstm(calibration.model)) {
    return options.dynamicLstms ?? false;
  }
  const [floats, bytes] = [false, true].map((dynamicLstms) =>
    graphOf(calibration, { ...options, dynamicLstms })
  );
  const own = (await bytes).model;
  return await timeShare(WHERE, own, (await floats).model, firstSample) < WORTHWHILE;
}

/**
 * The nodes that are faster in float, by the first sample.
 *
 * @param seconds how long they are looked for; 15 by default.
 * @throws {OnnxError} if the calibration keeps no sample.
 */
export async function fasterInFloat(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions,
  seconds?: number,
): Promise<ByLatency> {
  const { firstSample } = calibration;
  if (!firstSample) {
    throw new OnnxError(
      `${WHERE}: optimize "latency" runs the first sample, and this calibration has none; give samples`,
    );
  }
  const facts = new GraphFacts(calibration.model.graph);
  let race: Race | undefined;
  try {
    return await placeByLatency({
      graph: calibration.model.graph.node,
      channels: ({ input }) => facts.constantDims(input[1] ?? "")?.[1],
      quantize: (left) =>
        graphOf(calibration, options, { left: new Map([...left].map((name) => [name, FASTER])) }),
      race: async (first) => {
        const opened = race = await Race.open(WHERE, first, firstSample);
        return (model, worth) => opened.run(model, worth);
      },
      clock: () => performance.now() / 1000,
      ...{ seconds, signal: options.signal },
    });
  } finally {
    await race?.[Symbol.asyncDispose]();
  }
}

/** What a graph is made with beside options. */
interface GraphParts {
  readonly left?: ReadonlyMap<string, string>;
  readonly ranges?: ReadonlyMap<string, TensorRange>;
  readonly weights?: ReadonlyMap<string, QuantizedConstant>;
}

/** A model that was calibrated, quantized and not yet looked at. */
async function graphOf(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions,
  { left = new Map(), ranges, weights }: GraphParts = {},
): Promise<QuantizedGraph> {
  const graph = quantizeGraph(WHERE, calibration.model, ranges ?? await calibration.ranges(), {
    ...{ specs: specsOf(options), selection: withOperators(options), left, weights },
    overrides: new Map(Object.entries(options.tensorOverrides ?? {})),
    operators: options.optimize === "accuracy" ? ACCURATE_OPERATORS : undefined,
    smallest: options.optimize === "size",
  });
  const { fillChannels: fills = options.optimize !== "size" && !targetOf(options).elsewhere } =
    options;
  if (fills) fillChannels(graph.model);
  if (options.cutGates ?? options.optimize === "latency") cutGates(graph.model);
  if (!targetOf(options).elsewhere) {
    let facts: GraphFacts | undefined;
    const { graph: floats } = calibration.model;
    channelScales(graph.model, (value) => (facts ??= new GraphFacts(floats)).rank(value));
  }
  if (!options.dynamicLstms) return graph;
  const { nodesToExclude = [], nodesToQuantize } = options;
  const lstms = dynamicLstms(
    graph.model,
    ({ name }) =>
      left.has(name) || nodesToExclude.includes(name) || nodesToQuantize?.includes(name) === false,
  );
  const nodes = graph.nodes.map((node) =>
    lstms.has(node.name) ? { name: node.name, opType: node.opType, quantized: true } : node
  );
  return { ...graph, nodes };
}

/**
 * Quantizes a model that was calibrated, as {@linkcode quantizeStatic} does.
 *
 * @param left nodes of which is known that onnxruntime does not run them right, and what is wrong with them.
 * @param weights those that were rounded before, by the names of constants.
 * @returns those that were found beside them too.
 */
export async function quantizeCalibrated(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions,
  left: ReadonlyMap<string, string> = new Map(),
  weights?: ReadonlyMap<string, QuantizedConstant>,
): Promise<VerifiedGraph> {
  const quantize = (
    left: ReadonlyMap<string, string>,
    ranges?: ReadonlyMap<string, TensorRange>,
  ) => graphOf(calibration, options, { left, ranges, weights });
  const { verify = true, temporaryFolder, signal } = options;
  return verify
    ? await verifiedGraph({
      ...{ where: WHERE, calibration, quantize, left, temporaryFolder, signal },
      elsewhere: targetOf(options).elsewhere,
    })
    : { ...await quantize(left), left, warnings: [] };
}
