/**
 * Models as ONNX files.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { loadMessages } from "../file/messages.ts";
import { MAX_MESSAGE_BYTES, type OnnxModel } from "../file/model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { newModel } from "../graph/new_model.ts";
import { OnnxModule } from "../import/onnx_module.ts";
import { exportedImport } from "./imported.ts";
import { addLayer, type LayerData, readLayer } from "./layers.ts";
import { type Layer, type Trace, trace } from "./trace.ts";

/** Options of {@linkcode exportOnnx}. */
export interface ExportOnnxOptions {
  /** The name of the graph; the model's class by default. */
  name?: string;
  /** The names of the inputs; `input`, or `input_0`, `input_1`, … if there are several. */
  inputNames?: readonly string[];
  /** The name of the output; `output` by default. */
  outputName?: string;
}

/** The operator set: the first with 4-bit integers and scales a block. */
const OPSET = 21;

/** The sizes of a tensor; the first one is left open unless it is the only one. */
function openDims(shape: readonly number[]): (number | string)[] {
  return shape.length < 2 ? [...shape] : ["batch", ...shape.slice(1)];
}

/**
 * The names of the inputs and the output.
 *
 * @throws {RangeError} if they do not fit.
 */
function namesOf(
  where: string,
  { inputs }: Trace,
  options: ExportOnnxOptions,
): { inputNames: readonly string[]; outputName: string } {
  const { outputName = "output" } = options;
  const inputNames = options.inputNames ??
    inputs.map((_, i) => inputs.length === 1 ? "input" : `input_${i}`);
  const names = [...inputNames, outputName];
  if (inputNames.length !== inputs.length || new Set(names).size !== names.length) {
    throw new RangeError(
      `${where}: there are ${inputs.length} inputs and one output, which need as many different ` +
        `names, got ${inputNames.join(", ") || "none"} and ${outputName}`,
    );
  }
  return { inputNames, outputName };
}

/** What each layer consists of, read once however often it is called. */
async function readLayers(where: string, { steps }: Trace): Promise<Map<Layer, LayerData>> {
  const data = new Map<Layer, LayerData>();
  for (const { layer } of steps) {
    if (!data.has(layer)) {
      data.set(layer, await readLayer(`${where}: ${layer.displayName}`, layer));
    }
  }
  return data;
}

/** Adds what a run did, and returns the name of its output. */
function addSteps(
  graph: GraphEditor,
  { inputs, steps, output }: Trace,
  { inputNames, outputName }: ReturnType<typeof namesOf>,
  data: ReadonlyMap<Layer, LayerData>,
): string {
  const reshape = (layer: string, value: string, shape: readonly number[]) => {
    const to = graph.constant(`${layer}.shape`, "int64", [shape.length], shape);
    return graph.add(layer, "Reshape", [value, to]);
  };
  // Every layer works row by row, so values are kept as matrices of the features that they have now.
  const values = inputs.map(({ shape }, i) => ({
    name: inputNames[i],
    features: shape.length === 2 ? shape[1] : NaN,
  }));
  for (const { layer, name, input, output } of steps) {
    const layerName = name || layer.constructor.name;
    const features = input.shape.at(-1) ?? 1;
    const value = values[input.id];
    const x = value.features === features
      ? value.name
      : reshape(`${layerName}.input`, value.name, [-1, features]);
    const y = addLayer(graph, layerName, x, data.get(layer)!);
    values.push({ name: y, features: output.shape.at(-1) ?? 1 });
  }
  const { name: last, features } = values[output.id];
  const { shape } = output;
  const asIs = shape.length === 2 && features === shape[1];
  return asIs
    ? last
    : reshape(outputName, last, shape.length < 2 ? shape : [-1, ...shape.slice(1)]);
}

/**
 * The ONNX model of what a run did.
 *
 * @param where opens the errors.
 * @throws {TypeError} if a layer has no ONNX form.
 * @throws {RangeError} if names do not fit, parameters leave what ONNX can hold, or they take 2 GiB or more.
 */
export async function exportedModel(
  where: string,
  model: Module,
  trace: Trace,
  options: ExportOnnxOptions = {},
): Promise<OnnxModel> {
  const names = namesOf(where, trace, options);
  const data = await readLayers(where, trace);
  const messages = await loadMessages(where);
  const float = (name: string, shape: readonly number[]) =>
    messages.valueInfo(name, "float32", openDims(shape));
  const exported = newModel(messages, {
    name: options.name ?? model.constructor.name,
    opset: OPSET,
    input: trace.inputs.map(({ shape }, i) => float(names.inputNames[i], shape)),
    output: [float(names.outputName, trace.output.shape)],
  });
  const { graph } = exported;
  const editor = new GraphEditor(graph, messages);
  const result = addSteps(editor, trace, names, data);
  editor.apply();
  const maker = graph.node.find(({ output }) => output[0] === result);
  const { outputName } = names;
  if (maker) {
    maker.output[0] = outputName;
    editor.replaceUses(result, outputName);
  } else {
    editor.append(editor.node(outputName, "Identity", [result], [outputName]));
  }
  editor.apply();
  const size = graph.initializer.reduce((sum, { rawData }) => sum + rawData.byteLength, 0);
  if (size > MAX_MESSAGE_BYTES) {
    throw new RangeError(
      `${where}: the weights take ${size} bytes, and an ONNX file holds at most ${MAX_MESSAGE_BYTES}; quantize ` +
        `the model, or export its parts`,
    );
  }
  return exported;
}

/**
 * A model as the bytes of an ONNX file (operator set 21), which any onnxruntime since 1.18 runs. The
 * model is run once on the example inputs, to see which layer reads what: `Linear`, `ReLU`,
 * `QuantizedLinear` and whatever modules compose them, `Sequential` or a class of your own. The first
 * dimension of inputs and output is left open, the others are those of the example; a reshape between
 * layers keeps all but the first dimension as it was.
 *
 * A model that `importOnnx` made becomes the graph that it was imported from, with what its layers hold now; it is
 * not run, and inputs, output and names are those of the file.
 *
 * A float layer becomes a `Gemm`. A layer with fixed input quantization becomes QuantizeLinear,
 * DequantizeLinear and a `Gemm` with weights of one byte, which onnxruntime fuses into one integer
 * kernel; ReLU and the next layer's quantization are fused into it too. Unsigned weights and signed inputs
 * are moved by 128 together with their zero points, which changes no number and reaches the fastest
 * kernels. Dynamic input quantization and weights that alone are quantized are written as they are
 * computed; weights in groups keep their 4 bits.
 *
 * Everything that is not an integer is float32 in the file, inputs and output too, whatever float dtype the
 * model has. Numbers agree with this library's to about one step of a quantized output: a float
 * is divided by its scale instead of multiplied by the reciprocal, so that an input right between two
 * integers may fall on the other; the bias is rounded to a unit of the accumulator; and onnxruntime may
 * requantize an accumulator for the next layer directly. A model of float16 or bfloat16 rounds between
 * layers, the file does not. Inputs of weights in groups are rounded to 8 bits by onnxruntime, unless the
 * session option `session.qdq_matmulnbits_accuracy_level` is 1, as `compile` sets it.
 *
 * @param model the model.
 * @param exampleInputs float, as `forward` takes them; an imported model needs none.
 * @param options names.
 * @returns the file's bytes.
 * @throws {TypeError} if a layer has no ONNX form, or something between the layers is no layer; the
 * message names it.
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
  const exported = await exportedModel(where, model, trace(where, model, inputs), options);
  return exported.toBytes();
}
