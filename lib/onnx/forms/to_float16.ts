/**
 * Models in floats of 16 bits.
 *
 * @module
 */
import { checkChoice, checkOptions, given } from "../../numbers/arguments.ts";
import { HALF_ARRAY } from "../../numbers/float16.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { ActivationReader } from "../calibration/activation_reader.ts";
import type { OnnxSource } from "../calibration/calibrate.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { PRODUCER } from "../graph/new_model.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import { GraphTools } from "../prepare/graph_tools.ts";
import { hoistConstants } from "../prepare/hoist_constants.ts";
import { inlineFunctions } from "../prepare/inline_functions.ts";
import { nameNodes } from "../prepare/name_nodes.ts";
import { nodeName } from "../qdq/selection.ts";
import { type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";
import { learnValueTypes } from "../run/value_types.ts";
import type { MadeModel } from "../verify/mend.ts";
import { type FormOptions, type FormResult, modelOf, verifiedForm } from "./form.ts";
import type { HalfType } from "./half_constants.ts";
import { HalfConverter } from "./half_graph.ts";
import { checkUnquantized } from "./how_quantized.ts";
import { madeUpSample } from "./made_up_sample.ts";

export type { HalfType } from "./half_constants.ts";

/** Opens the errors. */
const WHERE = "toFloat16";

/** Options of {@linkcode toFloat16}. */
export interface ToFloat16Options extends Pick<FormOptions, "data" | "verify" | "signal"> {
  /**
   * Whether inputs and outputs of float32 stay so, by a Cast each, as they do by default: then callers need no
   * arrays of halves.
   */
  keepIoTypes?: boolean;
  /** Operators, such as `"Softmax"`, and names of nodes that stay float32; none by default. */
  blockList?: readonly string[];
  /** Which floats; `"float16"` by default. onnxruntime computes with `"bfloat16"` on GPUs alone. */
  type?: HalfType;
}

/** Copies a model into the form from which nodes are converted. */
async function outspoken(source: OnnxModel): Promise<OnnxModel> {
  const model = source.clone();
  inlineFunctions(WHERE, model);
  await learnValueTypes(WHERE, model);
  const names = new UniqueNames(model.graph);
  for (const graph of walkGraphs(model.graph)) {
    const editor = new GraphEditor(graph, model.messages, names);
    hoistConstants(new GraphTools(editor, model.opset()));
    editor.apply();
  }
  nameNodes(model.graph);
  return model;
}

/** Samples, or one that is made up. */
async function* samplesFor(
  model: OnnxModel,
  data: FormOptions["data"],
): AsyncGenerator<OnnxFeeds> {
  if (data) {
    yield* data;
    return;
  }
  const sample = await madeUpSample(WHERE, model);
  if (sample) yield sample;
}

/** The greatest number of float16, less what rounding on the way may add. */
const MOST = 60000;

/** What samples tell. */
interface Seen {
  /** The values that leave the range of float16. */
  readonly large: ReadonlySet<string>;
  readonly sample: OnnxFeeds | undefined;
}

/** Runs samples through the float model and looks for values that float16 cannot hold. */
async function runSamples(
  model: OnnxModel,
  { data, verify = true, signal, type = "float16" }: ToFloat16Options,
): Promise<Seen> {
  const large = new Set<string>();
  if (!data && !verify) return { large, sample: undefined };
  const facts = new ShapeFacts(model.graph);
  const values = [
    ...model.graph.input.map(({ name }) => name),
    ...model.graph.node.flatMap(({ output }) => output),
  ].filter((name) => name !== "" && facts.dtype(name) === "float32" && !facts.constant(name));
  let sample: OnnxFeeds | undefined;
  const watched = type === "float16" ? values : [];
  try {
    await using reader = await ActivationReader.open(WHERE, model, watched, { rangesOnly: true });
    for await (const feeds of samplesFor(model, data)) {
      signal?.throwIfAborted();
      sample ??= feeds;
      const seen = await reader.read(feeds);
      seen.forEach(({ range, data }, i) => {
        const [min, max] = range ? [range.min, range.max] : [data[0], data[1]];
        const beyond = [min, max].some((x) => Number.isFinite(x) && Math.abs(x) > MOST);
        if (beyond && !isLeast(min, max)) large.add(watched[i]);
      });
      reader.free(seen);
    }
  } catch (error) {
    // Samples that do not fit are the caller's; a model that does not run is told of when it is to.
    if (data) throw error;
  }
  return { large, sample };
}

/** Whether a range is that of a mask: very negative numbers that only stand for the least there is. */
function isLeast(min: number, max: number): boolean {
  return min < -1e30 && max < MOST;
}

/** Makes the model. */
function make(
  float: OnnxModel,
  options: ToFloat16Options,
  large: ReadonlySet<string>,
  keepIoTypes: boolean,
  left: ReadonlyMap<string, string>,
): MadeModel {
  const { blockList = [], type = "float16" } = options;
  const blocked = new Set(blockList);
  const model = float.clone();
  const converter = new HalfConverter(model, {
    ...{ where: WHERE, type, keepIoTypes, large },
    kept: (node) =>
      left.get(nodeName(node)) ??
        (blocked.has(node.opType) || blocked.has(nodeName(node))
          ? "blockList names it"
          : undefined),
  });
  const nodes = converter.convert();
  Object.assign(model.proto, PRODUCER);
  return { model, nodes };
}

/** @throws {TypeError | OnnxError} if an option is none. */
function checkToFloat16(options: ToFloat16Options, model?: OnnxModel): void {
  checkOptions(WHERE, options, ["data", "verify", "signal", "keepIoTypes", "blockList", "type"]);
  const { blockList = [], type = "float16", keepIoTypes = true } = options;
  checkChoice(WHERE, "type", type, ["float16", "bfloat16"]);
  if (typeof keepIoTypes !== "boolean") {
    throw new TypeError(`${WHERE}: keepIoTypes must be true or false, got ${given(keepIoTypes)}`);
  }
  if (!Array.isArray(blockList)) {
    throw new TypeError(
      `${WHERE}: blockList must be a list of operators and names of nodes, got ${given(blockList)}`,
    );
  }
  if (!model) return;
  const nodes = [...walkGraphs(model.graph)].flatMap(({ node }) => node);
  const known = new Set(nodes.flatMap((node) => [node.opType, nodeName(node)]));
  const missing = blockList.find((name) => !known.has(name));
  if (missing === undefined) return;
  throw new OnnxError(
    `${WHERE}: blockList names ${
      JSON.stringify(missing)
    }, which is neither an operator nor a node of the model; it has ${
      [...new Set(nodes.map(({ opType }) => opType))].slice(0, 8).join(", ")
    }, …`,
  );
}

/** A sample with halves where it has floats. */
async function halved(sample: OnnxFeeds, model: OnnxModel): Promise<OnnxFeeds> {
  const facts = new ShapeFacts(model.graph);
  const feeds = await Promise.all(
    Object.entries(sample).map(async ([name, feed]) => {
      const { data, dims } = feed instanceof Tensor
        ? { data: await feed.data(), dims: feed.shape }
        : feed;
      const half = facts.dtype(name) === "float16" && data instanceof Float32Array;
      return [name, half && HALF_ARRAY ? { data: new HALF_ARRAY(data), dims } : feed] as const;
    }),
  );
  return Object.fromEntries(feeds) as OnnxFeeds;
}

/**
 * Brings a model from float32 into float16 or bfloat16: constants, nodes, and graphs inside of nodes. What float16 cannot hold
 * stays float32, with the reason: constants beyond its range or so small that hardly a digit of them is left, and values
 * that leave it on samples. Very negative numbers that only mask, and numbers that only keep a sum from
 * being 0, are brought to the least that float16 has. Casts stand only where the type changes, one a value.
 *
 * The result is opened in onnxruntime and run once. On a CPU it is half as large and mostly not faster; WebGPU
 * computes with halves.
 *
 * @param source the float model, or one whose weights have few bits already, as {@linkcode quantizeWeights} gives it; it
 * is not changed.
 * @param options with samples in `data`, all of them are run, to find values that leave the range.
 * @throws {OnnxError} if the model computes with integers, has nothing of float32, a constant is NaN, or a name in the
 * block list is not known.
 * @throws {TypeError} if an option is none.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, randn, toFloat16 } from "@staticquant/staticquant";
 * const float = await exportOnnx(new Linear(256, 256), randn([1, 256]));
 * const { model } = await toFloat16(float);
 * console.log(float.length, model.toBytes().length); // 26… 13…
 * // await saveOnnx(model, "model_fp16.onnx");
 * ```
 */
export async function toFloat16(
  source: OnnxSource,
  options: ToFloat16Options = {},
): Promise<FormResult> {
  checkToFloat16(options);
  const { keepIoTypes = true, type = "float16" } = options;
  const model = await modelOf(source);
  checkUnquantized(WHERE, model, ["weights"]);
  const float = await outspoken(model);
  checkToFloat16(options, float);
  const { large, sample } = await runSamples(float, options);
  if (type === "bfloat16") {
    const { model, nodes } = make(float, options, large, keepIoTypes, new Map());
    const warning =
      "onnxruntime has no kernels for bfloat16 on a CPU, so the model was not run; try it where it is to run";
    return { model, nodes, warnings: [warning] };
  }
  const { left, ...result } = await verifiedForm({
    where: WHERE,
    float,
    sample,
    options,
    make: (left) => Promise.resolve(make(float, options, large, true, left)),
  });
  if (keepIoTypes) return result;
  const narrow = make(float, options, large, false, left);
  if (sample && options.verify !== false) {
    await using runtime = await OnnxRuntime.open(WHERE, narrow.model);
    await runtime.run(await halved(sample, narrow.model));
  }
  return { ...result, ...narrow };
}
