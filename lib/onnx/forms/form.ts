/**
 * What the forms of a file have in common: how they are asked for, told of and looked at.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import { decibels } from "../../plot/format.ts";
import type { OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { loadOnnx } from "../file/model_file.ts";
import { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { describeNode } from "../graph/describe_node.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { oddElement } from "../qdq/finite.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import type { NodeSelection } from "../qdq/selection.ts";
import { loadOrt } from "../run/load_ort.ts";
import { copyFeeds, type OnnxFeeds } from "../run/runtime.ts";
import { leftOut, type MadeModel, mended } from "../verify/mend.ts";
import { SampleCheck } from "../verify/sample_check.ts";
import { constantInput, type PlacedNode } from "./graph_editors.ts";
import { madeUpSample } from "./made_up_sample.ts";

/** Options that all forms have. */
export interface FormOptions extends NodeSelection {
  /**
   * Sample inputs; none are needed. The result is run on the first of them, or on made-up numbers if there are
   * none.
   */
  data?: OnnxSamples;
  /**
   * Whether the result is opened in onnxruntime and run once, as it is by default; a node that onnxruntime does
   * not run, or not right, is left in float then.
   */
  verify?: boolean;
  /** Ends the work. */
  signal?: AbortSignal;
}

/** The names of {@linkcode FormOptions}. */
export const FORM_OPTIONS: readonly string[] = [
  "opTypesToQuantize",
  "nodesToQuantize",
  "nodesToExclude",
  "data",
  "verify",
  "signal",
];

/** A model in another form. */
export interface FormResult {
  /** The new model. */
  readonly model: OnnxModel;
  /** The nodes that have this form, in the graph's order, then those in graphs inside of nodes, and whether they
   * got it. */
  readonly nodes: readonly QuantizedNode[];
  /** What a person should know of it, each a sentence that says what to do; none if all is well. */
  readonly warnings: readonly string[];
}

/** An SQNR that hardly any use is content with, in dB. */
const POOR = 10;

/** The model of a source. */
export async function modelOf(source: OnnxSource): Promise<OnnxModel> {
  return source instanceof OnnxModel ? source : await loadOnnx(source);
}

/** The model as forms start from it: prepared, or a copy. */
export async function preparedModel(model: OnnxModel, prepare = true): Promise<OnnxModel> {
  return prepare ? await prepareOnnx(model) : model.clone();
}

/**
 * Checks that a weight can become integers.
 *
 * @param index of the input that holds it.
 * @throws {OnnxError} if it holds a NaN or an infinity; names it and the element.
 */
export function checkFiniteWeight(where: string, placed: PlacedNode, index: number): void {
  const { node } = placed;
  using weight = floatConstant(constantInput(placed, index));
  const odd = weight && oddElement(weight);
  if (!odd) return;
  throw new OnnxError(
    `${where}: the weight of ${describeNode(node)} is not finite: ${quote(node.input[index])} ` +
      `holds ${odd}, for which no integer stands; mend it, or leave the node out by nodesToExclude`,
  );
}

/** A copy of the first sample, if there is one. */
export async function firstSample(data: OnnxSamples | undefined): Promise<OnnxFeeds | undefined> {
  if (!data) return undefined;
  for await (const feeds of data) return await copyFeeds(feeds);
}

/** A form that was looked at. */
export interface VerifiedForm extends FormResult {
  /** The nodes that onnxruntime does not run right in it, and what is wrong with them. */
  readonly left: ReadonlyMap<string, string>;
}

/** What is made, and from what. */
export interface Form<T extends MadeModel> {
  /** Opens the errors. */
  readonly where: string;
  /** The float model. */
  readonly float: OnnxModel;
  /** Makes it, but for the nodes that are left in float. */
  readonly make: (left: ReadonlyMap<string, string>) => Promise<T>;
  /** What it is run on; made up if there is none. */
  readonly sample: OnnxFeeds | undefined;
  readonly options: FormOptions;
}

/**
 * Makes a form, opens it in onnxruntime and runs it once; what keeps it from running is left in float.
 *
 * @throws {OnnxError} if onnxruntime does not run it whatever is left in float, or nothing got the form.
 */
export async function verifiedForm<T extends MadeModel>(
  { where, float, make, sample, options: { verify = true, signal } }: Form<T>,
): Promise<VerifiedForm> {
  signal?.throwIfAborted();
  const none = new Map<string, string>();
  if (!verify) return { ...told(where, await make(none)), left: none, warnings: [] };
  try {
    await loadOrt(where);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const warnings = [`the model was not opened in onnxruntime: ${problem}`];
    return { ...told(where, await make(none)), left: none, warnings };
  }
  const made = sample ?? await madeUpSample(where, float);
  const check = await SampleCheck.open(where, float, made);
  const { graph, verdict: { sqnr }, left } = await mended(
    { where, graph: float.graph, quantize: make, left: none, signal },
    check,
  );
  const warnings = leftOut(left);
  if (!made) {
    warnings.push(
      "the model was opened in onnxruntime and not run, for no inputs were found that the float model takes; give " +
        "a sample as data",
    );
  } else if (check.problem) {
    warnings.push(`the model was opened in onnxruntime and not run: ${check.problem}`);
  } else if (sample && sqnr !== undefined && sqnr < POOR) {
    warnings.push(
      `the output is far from the float model's, ${
        decibels(sqnr)
      } on a sample: leave nodes out by nodesToExclude`,
    );
  }
  return { ...told(where, graph), left, warnings };
}

/** The model and its nodes, if any of them got the form. */
function told(where: string, { model, nodes }: MadeModel): MadeModel {
  if (nodes.some(({ quantized }) => quantized)) return { model, nodes };
  const reasons = nodes.slice(0, 3).map(({ name, opType, reason }) =>
    `${opType} ${JSON.stringify(name)}: ${reason}`
  );
  const why = reasons.length === 0
    ? "it has no node for it; inspectOnnx lists its operators"
    : reasons.join("; ") + (nodes.length > reasons.length ? "; …" : "");
  throw new OnnxError(`${where}: nothing of the model can be brought into this form: ${why}`);
}
