/**
 * Models as ONNX files.
 *
 * @module
 */
import { checkModule, type Module } from "../../nn/module.ts";
import { checkTensor, type Tensor, zeros } from "../../tensor/tensor.ts";
import { loadMessages } from "../file/messages.ts";
import { MAX_MESSAGE_BYTES, type OnnxModel } from "../file/model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { newModel } from "../graph/new_model.ts";
import { OnnxModule } from "../import/onnx_module.ts";
import { type Constants, readConstants } from "./constants.ts";
import { typeOf } from "./element_types.ts";
import { exportedImport } from "./imported.ts";
import { openBatch } from "./open_batch.ts";
import { type Steps, stepsOf } from "./steps.ts";
import { type Trace, trace } from "./trace.ts";
import { repeats, writeSteps } from "./write_steps.ts";

/** Options of {@linkcode exportOnnx}. */
export interface ExportOnnxOptions {
  /** The name of the graph; the model's class by default. */
  name?: string;
  /** The names of the inputs; `input`, or `input_0`, `input_1`, … if there are several. */
  inputNames?: readonly string[];
  /** The name of the output; `output` by default. */
  outputName?: string;
  /** The names of several outputs, those of `forwardAll`; `output_0`, `output_1`, … by default. */
  outputNames?: readonly string[];
}

/** The operator set: the first with 4-bit integers and scales a block. */
const OPSET = 21;

/** What is called the number of samples. */
const BATCH = "batch";

/** A model's graph, and which sizes it leaves open. */
interface Found {
  readonly steps: Steps;
  readonly constants: Constants;
  /** The sizes of inputs and outputs. */
  readonly inputs: readonly Dims[];
  readonly outputs: readonly Dims[];
}

/** A tensor of a file: its sizes, those that stay open by name, and its dtype. */
interface Dims extends Pick<Tensor, "dtype"> {
  readonly dims: readonly (number | string)[];
}

/** Names for the places of a list: `input`, or `input_0`, `input_1`, … */
function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => count === 1 ? name : `${name}_${i}`);
}

/**
 * The names of inputs and outputs.
 *
 * @throws {RangeError} if they do not fit.
 */
function namesOf(
  where: string,
  { inputs, outputs }: Found,
  options: ExportOnnxOptions,
): { inputNames: readonly string[]; outputNames: readonly string[] } {
  const { inputNames = numbered("input", inputs.length), outputName = "output" } = options;
  const outputNames = options.outputNames ?? numbered(outputName, outputs.length);
  const names = [...inputNames, ...outputNames];
  const fits = inputNames.length === inputs.length && outputNames.length === outputs.length;
  if (fits && new Set(names).size === names.length) return { inputNames, outputNames };
  const one = outputs.length === 1 ? "one output" : `${outputs.length} outputs`;
  throw new RangeError(
    `${where}: there are ${inputs.length} inputs and ${one}, which need as many different names, got ${
      inputNames.join(", ") || "none"
    } and ${outputNames.join(", ") || "none"}`,
  );
}

/** The same inputs for `samples` of them: those that have as many as the first, with zeros for numbers. */
function withSamples(inputs: readonly Tensor[], samples: number): Tensor[] {
  const [{ shape: [batch] }] = inputs;
  return inputs.map(({ shape, dtype, device }) => {
    const many = shape.length > 1 && shape[0] === batch;
    return zeros(many ? shape.with(0, samples) : shape, { dtype, device });
  });
}

/** A run of the model, or nothing if it does not take such inputs. */
function tried(where: string, model: Module, inputs: readonly Tensor[]): Trace | undefined {
  try {
    return trace(where, model, inputs);
  } catch {
    return undefined; // the example's own sizes say what is wrong
  }
}

/** Sizes of which those that differ in `more` are open. */
function openDims(a: Trace["inputs"], b: Trace["inputs"]): Dims[] {
  return a.map(({ shape, dtype }, i) => ({
    dtype,
    dims: shape.map((size, d) => size === b[i].shape[d] ? size : d === 0 ? BATCH : `${BATCH}_${d}`),
  }));
}

/** The graph for any number of samples; undefined if there is none. */
async function openGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
): Promise<Found | undefined> {
  if (inputs.length === 0 || inputs[0].ndim < 2) return undefined;
  const examples = [withSamples(inputs, 2), withSamples(inputs, 3)];
  try {
    using two = tried(where, model, examples[0]);
    using three = two && tried(where, model, examples[1]);
    if (!two || !three) return undefined;
    const steps = openBatch(stepsOf(where, two), stepsOf(where, three));
    if (!steps) return undefined;
    const constants = await readConstants(where, model, two.backend, steps);
    if (!repeats(steps, constants)) return undefined;
    const [a, b] = [openDims(two.inputs, three.inputs), openDims(two.outputs, three.outputs)];
    return { steps, constants, inputs: a, outputs: b };
  } finally {
    examples.flat().forEach((x) => x.dispose());
  }
}

/** The graph for inputs of these sizes alone. */
async function fixedGraph(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
): Promise<Found> {
  using found = trace(where, model, inputs);
  const steps = stepsOf(where, found);
  const constants = await readConstants(where, model, found.backend, steps);
  const [a, b] = [found.inputs, found.outputs].map((list) =>
    list.map(({ shape, dtype }) => ({ dims: shape, dtype }))
  );
  return { steps, constants, inputs: a, outputs: b };
}

/** A model as a graph, and what is known of its sizes. */
export interface ExportedModel {
  readonly model: OnnxModel;
  /** Whether it takes any number of samples. */
  readonly isOpen: boolean;
}

/**
 * The ONNX model of what a run did.
 *
 * @param where opens the errors.
 * @throws {TypeError} if something has no ONNX form.
 * @throws {RangeError} if names do not fit, parameters leave what ONNX can hold, or they take 2 GiB or more.
 */
export async function exportedModel(
  where: string,
  model: Module,
  inputs: readonly Tensor[],
  options: ExportOnnxOptions = {},
): Promise<ExportedModel> {
  checkModule(where, model);
  for (const x of inputs) checkTensor(where, x);
  const open = await openGraph(where, model, inputs);
  const found = open ?? await fixedGraph(where, model, inputs);
  const { inputNames, outputNames } = namesOf(where, found, options);
  const messages = await loadMessages(where);
  const infos = (values: readonly Dims[], names: readonly string[]) =>
    values.map(({ dims, dtype }, i) => messages.valueInfo(names[i], typeOf(dtype).name, dims));
  const exported = newModel(messages, {
    name: options.name ?? model.constructor.name,
    opset: OPSET,
    input: infos(found.inputs, inputNames),
    output: infos(found.outputs, outputNames),
  });
  const { graph } = exported;
  const editor = new GraphEditor(graph, messages);
  const results = writeSteps(editor, found.steps, found.constants, inputNames);
  editor.apply();
  nameOutputs(editor, results, outputNames);
  const size = graph.initializer.reduce((sum, { rawData }) => sum + rawData.byteLength, 0);
  if (size > MAX_MESSAGE_BYTES) {
    throw new RangeError(
      `${where}: the weights take ${size} bytes, and an ONNX file holds at most ${MAX_MESSAGE_BYTES}; quantize ` +
        `the model, or export its parts`,
    );
  }
  return { model: exported, isOpen: open !== undefined };
}

/** Gives the values that outputs are their names; what is an input or an output already is passed on. */
function nameOutputs(
  editor: GraphEditor,
  results: readonly string[],
  outputNames: readonly string[],
): void {
  const made = new Map(
    editor.graph.node.flatMap((node) => node.output.map((name) => [name, node])),
  );
  results.forEach((result, i) => {
    const maker = made.get(result);
    if (maker && results.indexOf(result) === i) {
      maker.output[maker.output.indexOf(result)] = outputNames[i];
      editor.replaceUses(result, outputNames[i]);
      return;
    }
    const source = maker ? outputNames[results.indexOf(result)] : result;
    editor.append(editor.node(outputNames[i], "Identity", [source], [outputNames[i]]));
  });
  editor.apply();
}

/**
 * A model as the bytes of an ONNX file (operator set 21), which any onnxruntime since 1.18 runs. The model is run on
 * inputs like the examples, to see what it computes: the layers of this library, quantized ones, whatever modules
 * compose them, and between layers functions such as `add`, `cat`, `matmul`, `permute`, `softmax` or `mean`. Two
 * runs that differ in the number of samples tell which sizes stay open: the first dimension of the inputs that
 * have as many rows as the first one. A model that is right for one number only keeps that of the example.
 *
 * A model that `importOnnx` made becomes the graph that it was imported from, with what its layers hold now; it is
 * not run, and inputs, output and names are those of the file.
 *
 * A layer becomes the operators that ONNX has for it, `Linear` a `Gemm`. One with fixed input quantization becomes
 * QuantizeLinear, DequantizeLinear and a `Gemm` or a `Conv` with weights of one byte, which onnxruntime fuses into
 * one integer kernel; ReLU and the next layer's quantization are fused into it too. Unsigned weights and signed inputs
 * are moved by 128 together with their zero points, which changes no number and reaches the fastest
 * kernels. Dynamic input quantization and weights that alone are quantized are written as they are
 * computed; weights in groups keep their 4 bits.
 *
 * Everything that is not an integer is float32 in the file, inputs and outputs too, whatever float dtype the
 * model has; int32 tensors are int64 there, as PyTorch's are. Numbers agree with this library's to about one step of a quantized output: a float
 * is divided by its scale instead of multiplied by the reciprocal, so that an input right between two
 * integers may fall on the other; the bias is rounded to a unit of the accumulator; and onnxruntime may
 * requantize an accumulator for the next layer directly. A model of float16 or bfloat16 rounds between
 * layers, the file does not. Inputs of weights in groups are rounded to 8 bits by onnxruntime, unless the
 * session option `session.qdq_matmulnbits_accuracy_level` is 1, as `compile` sets it.
 *
 * @param model the model.
 * @param exampleInputs as `forward` takes them; an imported model needs none.
 * @param options names.
 * @returns the file's bytes.
 * @throws {TypeError} if a layer, or what is computed between layers, has no ONNX form; the message names it.
 * @throws {RangeError} if zero points are no integers of the quantized range, or the weights take
 * 2 GiB or more.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const bytes = await exportOnnx(m, randn([1, 64]));
 * console.log(bytes.byteLength); // about 4 · (64 · 32 + 32 · 10)
 * // await Deno.writeFile("model.onnx", bytes);
 * ```
 */
export async function exportOnnx(
  model: Module,
  exampleInputs: Tensor | readonly Tensor[] = [],
  options: ExportOnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const where = "exportOnnx";
  if (model instanceof OnnxModule) return (await exportedImport(where, model)).toBytes();
  const inputs = Array.isArray(exampleInputs) ? exampleInputs : [exampleInputs];
  const exported = await exportedModel(where, model, inputs, options);
  return exported.model.toBytes();
}
