/**
 * ONNX files as modules.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { backendFor, checkDevice, getDefaultDevice } from "../../backend/registry.ts";
import { checkDType, checkOptions } from "../../numbers/arguments.ts";
import { type DType, float32 } from "../../numbers/dtype.ts";
import { nameModules } from "../../nn/module.ts";
import { tidy } from "../../tensor/tensor.ts";
import { loadOnnx, type LoadOnnxOptions } from "../file/model_file.ts";
import { OnnxModel } from "../file/model.ts";
import type { ValueInfoProto } from "../file/proto.ts";
import { setRawData } from "../file/tensor_bytes.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { valueType } from "../graph/graph_view.ts";
import { removeUnusedInitializers, removeUnusedNodes } from "../graph/unused.ts";
import { isOp } from "../graph/operator.ts";
import { fuseBytes } from "./fuse_bytes.ts";
import { fuseActivations } from "./fuse_activations.ts";
import { fuseLayerNorm } from "../prepare/fuse_layer_norm.ts";
import { foldAffine } from "../prepare/fold_affine.ts";
import { GraphTools, type Pass } from "../prepare/graph_tools.ts";
import { hoistConstants } from "../prepare/hoist_constants.ts";
import { inlineFunctions } from "../prepare/inline_functions.ts";
import { mergeFactors } from "../prepare/merge_factors.ts";
import { nameNodes } from "../prepare/name_nodes.ts";
import { pushScale } from "../prepare/push_scale.ts";
import { removeNoOps } from "../prepare/remove_no_ops.ts";
import { unfuse } from "../prepare/unfuse.ts";
import { NEWEST_OPSET } from "../upgrade/operators.ts";
import { upgradeOpset } from "../upgrade/upgrade_opset.ts";
import { GraphBuilder, type ImportedLayer, type ImportedParameter } from "./build_graph.ts";
import { checkGraph, checkOperators } from "./check_graph.ts";
import { OnnxBody } from "./control_flow.ts";
import { importedType } from "./node/element_types.ts";
import { ImportedConstants } from "./imported_constants.ts";
import { hostConstants } from "./onnx_graph.ts";
import { bringTo7 } from "./old_operator_set.ts";
import { type ImportedValue, OnnxModule } from "./onnx_module.ts";
import { neededOnHost, type NeededValues } from "./placement.ts";

/** Options of {@linkcode importOnnx}. */
export interface ImportOnnxOptions extends LoadOnnxOptions {
  /** Where the weights go; by default what `init` chose. */
  device?: Device;
  /** What floats of 32 and 64 bits become; float32 by default. */
  dtype?: DType;
}

const WHERE = "importOnnx";

/** Each until it finds nothing more, in this order. */
const PASSES: readonly Pass[] = [
  hoistConstants,
  unfuse,
  removeNoOps,
  fuseLayerNorm,
  fuseActivations,
  foldAffine,
  pushScale,
  mergeFactors,
  foldAffine,
];

/**
 * The model as it is imported: functions inlined, operator set 21, constants as initializers, what onnxruntime's
 * optimizer made taken apart, norms and factors made part of layers, activations of several nodes made one,
 * each node with a name of its own.
 */
function readied(model: OnnxModel): OnnxModel {
  const known = model.clone();
  inlineFunctions(WHERE, known);
  checkOperators(WHERE, known);
  bringTo7(WHERE, known);
  const upgraded = upgradeOpset(known, NEWEST_OPSET);
  const { graph, messages } = upgraded;
  const tools = new GraphTools(new GraphEditor(graph, messages), upgraded.opset());
  for (const pass of PASSES) while (pass(tools)) tools.editor.apply();
  if (graph.node.some(({ domain }) => domain === "com.microsoft")) {
    upgraded.setOpset(1, "com.microsoft");
  }
  removeUnusedNodes(graph);
  removeUnusedInitializers(graph);
  nameNodes(graph);
  return upgraded;
}

function described(info: ValueInfoProto, float: DType, needed: NeededValues): ImportedValue {
  const type = valueType(info.type);
  return {
    name: info.name,
    dtype: type && importedType(type.dtype, float),
    shape: type?.dims?.map((size) => size ?? null),
    onHost: needed.has(info.name),
  };
}

/** A model with nodes on bytes where it quantizes and dequantizes around float ones. */
function onBytes(model: OnnxModel): OnnxModel {
  if (!model.graph.node.some((node) => isOp(node, "DequantizeLinear"))) return model;
  const made = model.clone();
  const tools = new GraphTools(new GraphEditor(made.graph, made.messages), made.opset());
  while (fuseBytes(tools)) tools.editor.apply();
  removeUnusedNodes(made.graph);
  removeUnusedInitializers(made.graph);
  return made;
}

/** The module of a model that {@linkcode checkGraph} found nothing wrong with. */
function moduleOf(model: OnnxModel, device: Device, float: DType): OnnxModule {
  const { graph } = onBytes(model);
  const constants = new ImportedConstants(backendFor(device), float);
  const needed = neededOnHost(graph);
  const inputs = graph.input.map((info) => described(info, float, needed));
  const outputs = graph.output.map((info) => ({
    ...described(info, float, needed),
    onHost: false,
  }));
  const origin = {
    model,
    parameters: [] as ImportedParameter[],
    layers: [] as ImportedLayer[],
  };
  return new OnnxModule({ name: graph.name, inputs, outputs, device, origin }, (module) => {
    const context = { constants, float, needed };
    const builder = new GraphBuilder(graph, module, context);
    const plan = builder.build(
      inputs.map(({ name, onHost }) => ({ name, place: onHost ? "host" : "device" })),
    );
    origin.parameters.push(...builder.parameters);
    origin.layers.push(...builder.layers);
    return plan;
  });
}

/** Lets go of the bytes of constants that are parameters now, which a file that is written has from there. */
function dropParameters({ origin: { model, parameters } }: OnnxModule): void {
  const held = new Set(parameters.map(({ constant }) => constant));
  for (const tensor of model.graph.initializer) {
    if (!held.has(tensor.name)) continue;
    for (const field of ["floatData", "int32Data", "doubleData"] as const) tensor[field] = [];
    setRawData(tensor, undefined);
  }
}

/** Takes all that a module holds on a device out of what `tidy` frees. */
function keepAll(module: OnnxModule): void {
  for (const t of Object.values(module.stateDict())) t.keep();
  for (const [, part] of module.namedModules()) {
    if (part instanceof OnnxModule || part instanceof OnnxBody) {
      hostConstants(part.plan).forEach((t) => t.keep());
    }
  }
}

/**
 * An ONNX model as a module that runs on this library's devices. Its children are the nodes of the graph, by
 * their names (dots become `_`); nodes that are layers, such as Conv or a MatMul with a constant matrix, become
 * that layer, with the file's weights, so that the model can be observed, quantized, compiled and saved like one
 * that was written here. What depends on constants alone is computed once, and what depends on shapes on the host
 * while the model is enqueued.
 *
 * Integers of 16, 32 and 64 bits are int32 here; what that cannot hold becomes its least or greatest number.
 *
 * @param source a file, its bytes, or a model; it is not changed.
 * @param options where the weights go and as what, and those of {@linkcode loadOnnx}.
 * @throws {OnnxError} if the file is no whole model, or something in it is not computed here: operators,
 * attributes, types and shapes, all of them named at once. Nothing is left on the device then.
 *
 * @example
 * ```ts
 * import { exportOnnx, importOnnx, Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential(new Linear(8, 4), new ReLU());
 * const module = await importOnnx(await exportOnnx(m, randn([1, 8]))); // or the path of a file
 * console.log(String(module)); // (0/Gemm): Linear(in_features=8, …), (1/Relu): ReLU()
 * using y = module.forward(randn([2, 8]));
 * console.log(y.shape, Object.keys(module.run({ input: randn([3, 8]) }))); // [ 2, 4 ] [ "output" ]
 * ```
 */
export async function importOnnx(
  source: string | URL | Uint8Array<ArrayBuffer> | OnnxModel,
  options: ImportOnnxOptions = {},
): Promise<OnnxModule> {
  checkOptions(WHERE, options, ["device", "dtype", "folder", "inMemory"]);
  const { device = getDefaultDevice(), dtype = float32, ...load } = options;
  checkDevice(WHERE, device);
  checkDType(WHERE, "dtype", dtype);
  if (!dtype.isFloat || dtype.itemSize < 2) {
    throw new TypeError(
      `${WHERE}: dtype is what floats become, and ${dtype.name} computes no floats`,
    );
  }
  const model = source instanceof OnnxModel ? source : await loadOnnx(source, load);
  if (source instanceof OnnxModel) model.check();
  const ready = readied(model);
  checkGraph(WHERE, ready.graph);
  let module: OnnxModule;
  tidy(() => {
    module = moduleOf(ready, device, dtype);
    keepAll(module);
  });
  dropParameters(module!);
  nameModules(module!);
  return module!;
}
