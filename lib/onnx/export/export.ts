/**
 * Models as ONNX files.
 *
 * @module
 */
import { checkModule, type Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { checkTensor, type Tensor } from "../../tensor/tensor.ts";
import { loadMessages } from "../file/messages.ts";
import { MAX_MESSAGE_BYTES, type OnnxModel } from "../file/model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { newModel } from "../graph/new_model.ts";
import { OnnxModule } from "../import/onnx_module.ts";
import { typeOf } from "./element_types.ts";
import { exportedImport } from "./imported.ts";
import type { DynamicAxes } from "./open_plan.ts";
import { axesGraph, batchGraph, type Dims, fixedGraph } from "./traced_graph.ts";
import { inputNamesOf, nameDims, valueNames } from "./value_names.ts";
import { writeSteps } from "./write_steps.ts";

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
  /**
   * The dimensions that stay open and their names; by default the number of samples, `batch`. A constant of the
   * model that is as long as one of them, such as a table of positions, is stored as long as the example is: give an
   * example as long as inputs will ever be.
   */
  dynamicAxes?: DynamicAxes;
}

/** The names of the options. */
const OPTIONS = ["name", "inputNames", "outputName", "outputNames", "dynamicAxes"];

/** The operator set: the first with 4-bit integers and scales a block. */
const OPSET = 21;

/** A model as a graph, and what is known of its sizes. */
export interface ExportedModel {
  readonly model: OnnxModel;
  /** Whether it takes any number of samples, or of what else was asked to stay open. */
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
  checkOptions(where, options, OPTIONS);
  for (const x of inputs) checkTensor(where, x);
  const { dynamicAxes } = options;
  const open = dynamicAxes
    ? await axesGraph(where, model, inputs, inputNamesOf(inputs.length, options), dynamicAxes)
    : await batchGraph(where, model, inputs);
  const found = open ?? await fixedGraph(where, model, inputs);
  const names = valueNames(where, found, options);
  const { inputNames, outputNames } = names;
  const outputs = nameDims(where, found, names, dynamicAxes ?? {});
  const messages = await loadMessages(where);
  const infos = (values: readonly Dims[], names: readonly string[]) =>
    values.map(({ dims, dtype }, i) => messages.valueInfo(names[i], typeOf(dtype).name, dims));
  const exported = newModel(messages, {
    name: options.name ?? model.constructor.name,
    opset: OPSET,
    input: infos(found.inputs, inputNames),
    output: infos(outputs, outputNames),
  });
  const { graph } = exported;
  const editor = new GraphEditor(graph, messages);
  const results = writeSteps(editor, found.steps, found.constants, inputNames, found.places);
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
 * `dynamicAxes` says which other sizes stay open; then there is a run more for each.
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
 * 2 GiB or more; if `dynamicAxes` does not fit the examples.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const bytes = await exportOnnx(m, randn([1, 64]));
 * console.log(bytes.byteLength); // about 4 · (64 · 32 + 32 · 10)
 * // await Deno.writeFile("model.onnx", bytes);
 * ```
 *
 * @example Sentences of any length, any number at once
 * ```ts
 * import { exportOnnx, loadOnnx, randn, TransformerEncoderLayer } from "@staticquant/staticquant";
 * const layer = new TransformerEncoderLayer(16, 2, { dimFeedforward: 32, batchFirst: true });
 * const dynamicAxes = { input: { 0: "batch", 1: "length" } };
 * const bytes = await exportOnnx(layer, randn([1, 12, 16]), { dynamicAxes });
 * console.log(String(await loadOnnx(bytes)));
 * ```
 */
export async function exportOnnx(
  model: Module,
  exampleInputs: Tensor | readonly Tensor[] = [],
  options: ExportOnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const where = "exportOnnx";
  checkOptions(where, options, OPTIONS);
  if (model instanceof OnnxModule) return (await exportedImport(where, model)).toBytes();
  const inputs = Array.isArray(exampleInputs) ? exampleInputs : [exampleInputs];
  const exported = await exportedModel(where, model, inputs, options);
  return exported.model.toBytes();
}
