/**
 * Quantized models as safetensors files: integers, scales, zero points and float tensors by name,
 * and in the metadata, as JSON, what they mean.
 *
 * @module
 */
import { StateError } from "../../nn/state_error.ts";
import type { Device } from "../../backend/backend.ts";
import { parseSafetensors } from "../../files/safetensors.ts";
import { isLinearWeight, type Module, nameModules, setField } from "../../nn/module.ts";
import { saveSafetensors } from "../../nn/state_file.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { freeModule, tensorsOf } from "../analysis/layers.ts";
import { type CopiedChannels, copiedChannels, keepCopied } from "../layers/copied_channels.ts";
import { type DescribedLayer, describeLayer } from "../layers/layer_kinds.ts";
import { type DescribedFunction, describeFunction } from "../layers/function_kind.ts";
import { isObserved } from "../layers/layer_family.ts";
import { SplitLinear } from "../layers/split_linear.ts";
import { inputName } from "../tensors/input_quantizer.ts";
import { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { formatLayers, KEY, parseLayers } from "./layer_spec.ts";
import { type FunctionPlace, isInside, type LayerPlace, ModelFile } from "./model_file.ts";

/**
 * The bytes of a safetensors file that holds a quantized model: the integers of its quantized
 * layers (one byte each), scales, zero points and biases, the tensors of its other modules, and in
 * the metadata how the layers are quantized. The same model gives the same bytes. Waits for the
 * device.
 *
 * @param model the quantized model, whose quantized layers came from `quantize_` with a config of
 * this toolkit.
 * @param metadata strings by name, for the file's header; {@linkcode loadQuantizedModel_} gives
 * them back.
 * @throws {Error} if a layer is still under observation, or quantized in a way that a file cannot
 * hold: by a class that is not registered, or an input quantization that is a function.
 *
 * @example
 * ```ts
 * import { Linear, loadQuantizedModel_, saveQuantizedModel, Sequential } from "@staticquant/staticquant";
 * const build = () => new Sequential({ fc1: new Linear(8, 8), fc2: new Linear(8, 2) });
 * const model = build(); // to be calibrated and quantized: see QuantizedLinear for a whole example
 * const file = await saveQuantizedModel(model, { source: "example" });
 * const metadata = loadQuantizedModel_(build(), file);
 * console.log(file.byteLength, metadata.source); // … example
 * ```
 */
export async function saveQuantizedModel(
  model: Module,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const where = "saveQuantizedModel";
  if (Object.hasOwn(metadata, KEY)) {
    throw new Error(`${where}: the metadata key "${KEY}" is the format's own; use another`);
  }
  const layers = new Map<string, DescribedLayer>();
  const functions = new Map<string, DescribedFunction>();
  const copied = new Map<string, CopiedChannels>();
  const split = new Map<string, number>();
  for (const [name, module] of model.namedModules()) {
    const more = copiedChannels(module);
    if (more.inputs + more.outputs > 0) copied.set(name, more);
    if (module instanceof SplitLinear) split.set(name, module.columns.numel);
    if (isInside(name, layers) || isInside(name, functions)) continue;
    const layer = layerToSave(where, name, module);
    if (layer) layers.set(name, layer);
    const found = describeFunction(module);
    if (found && name !== "") functions.set(name, found);
  }
  const own: Tensor[] = [];
  try {
    const tensors = Object.entries(model.stateDict())
      .filter(([key]) => !isInside(key, layers) && !isInside(key, functions));
    for (const [name, { parts: { table } }] of functions) {
      if (table) tensors.push([`${name}.table`, table]);
    }
    for (const [name, layer] of layers) {
      for (const [part, t] of layerTensors(layer, own)) tensors.push([`${name}.${part}`, t]);
    }
    return await saveSafetensors(Object.fromEntries(tensors), {
      ...metadata,
      [KEY]: formatLayers({ layers, functions, copied, split }),
    });
  } finally {
    own.forEach((t) => t.dispose());
  }
}

/** A quantized layer, or undefined for other modules; throws if a file cannot hold it. */
function layerToSave(where: string, name: string, module: Module): DescribedLayer | undefined {
  const called = `${name || "the model itself"} (${module.constructor.name})`;
  if (isObserved(module)) {
    throw new Error(`${where}: ${called} is under observation; call quantize_ before saving`);
  }
  const layer = describeLayer(module);
  if (layer && name === "") {
    throw new Error(
      `${where}: ${called} cannot be loaded in place; put it into a Sequential before quantizing`,
    );
  }
  if (layer?.input?.kind === "custom") {
    throw new Error(
      `${where}: ${called} quantizes its input by a function of its own (${
        inputName(layer.input)
      }), ` +
        `which a file cannot hold; use a config of this toolkit, or an input quantizer that is data`,
    );
  }
  const unknown = !layer && Object.entries(module).find(([, value]) => isLinearWeight(value));
  if (unknown) {
    throw new Error(
      `${where}: ${called} holds a quantized weight in its field ${
        unknown[0]
      }, but of a layer or ` +
        `weight class that the format does not know; quantize it with a config of this toolkit, or ` +
        `tell what it is with registerLayerKind`,
    );
  }
  return layer;
}

/** The tensors of a layer by the names that a file has for them; `own` takes what it makes. */
function layerTensors(
  { kind: { weightName }, weight, input, bias }: DescribedLayer,
  own: Tensor[],
): [string, Tensor][] {
  const intData = weight.intData();
  own.push(intData);
  const named: [string, Tensor | null][] = [
    [`${weightName}.intData`, intData],
    [`${weightName}.scale`, weight.scale],
    [`${weightName}.zeroPoint`, weight.zeroPoint],
    ["actScale", input?.kind === "static" ? input.scale : null],
    ["actZeroPoint", input?.kind === "static" ? input.zeroPoint : null],
    ["actPreScale", (input?.kind !== "custom" && input?.preScale) || null],
    ["bias", bias],
  ];
  return named.filter((entry): entry is [string, Tensor] => entry[1] !== null);
}

/**
 * Loads what {@linkcode saveQuantizedModel} saved into a freshly built float model of the same
 * architecture, in place: its layers are swapped for quantized ones as the file says, and the
 * tensors of its other modules replaced, in the file's dtypes. The float weights that it has are not
 * looked at, and where `tune` made channels twice, layers get as many as the file has. What comes back computes the
 * same bits. Either all is loaded or nothing.
 *
 * @param model the float model.
 * @param bytes the file's bytes.
 * @returns the metadata that was given when saving.
 * @throws {SafetensorsError} if the file is damaged, is not a quantized model, or was written by a
 * newer version of the format.
 * @throws {StateError} if file and model do not fit: a tensor or a module missing or unknown, or of
 * another shape or dtype. The message lists all of them.
 *
 * @example
 * ```ts
 * import { Linear, loadQuantizedModel_, saveQuantizedModel, Sequential } from "@staticquant/staticquant";
 * const file = await saveQuantizedModel(new Sequential({ fc: new Linear(8, 2) }));
 * const model = new Sequential({ fc: new Linear(8, 2) });
 * loadQuantizedModel_(model, file);
 * ```
 */
export function loadQuantizedModel_(model: Module, bytes: Uint8Array): Record<string, string> {
  const where = "loadQuantizedModel_";
  const { tensors, metadata } = parseSafetensors(bytes);
  const { [KEY]: description, ...rest } = metadata;
  const file = new ModelFile(where, tensors, parseLayers(where, description));
  const device = Object.values(model.stateDict())[0]?.device;
  const splits = file.splitPlaces(model);
  splits.forEach(({ parent, field, made }) => setField(parent, field, made));
  try {
    load(where, file, model, device);
  } catch (error) {
    splits.forEach(({ parent, field, made, module }) => {
      setField(parent, field, module);
      freeModule(made, tensorsOf(module));
    });
    throw error;
  }
  nameModules(model);
  return rest;
}

/** Puts what a file holds into a model, or throws and changes nothing. */
function load(where: string, file: ModelFile, model: Module, device: Device | undefined): void {
  const layers = file.layerPlaces(model);
  const functions = file.functionPlaces(model);
  const sizes = file.sizes(model);
  const fields = file.floatPlaces(model);
  file.throwProblems(model);

  const built = <P extends { name: string }>(
    place: P,
    build: (file: ModelFile, place: P, device: Device | undefined) => Module,
  ) => {
    try {
      return build(file, place, device);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
      throw new StateError(`${where}: ${place.name}: ${error.message}; nothing was loaded`, {
        cause: error,
      });
    }
  };
  const places = [...layers, ...functions];
  const modules = [
    ...layers.map((place) => built(place, buildLayer)),
    ...functions.map((place) => built(place, buildFunction)),
  ];
  const values = fields.map(({ key, dtype }) => file.tensor(key, dtype, device));
  for (const { module, fields } of sizes) {
    fields.forEach(([field, value]) => setField(module, field, value));
  }
  places.forEach(({ parent, field, module }, i) =>
    setField(parent, field, keepCopied(modules[i], module))
  );
  fields.forEach(({ owner, field }, i) => setField(owner, field, values[i]));
}

function buildLayer(
  file: ModelFile,
  { name, spec, module }: LayerPlace,
  device: Device | undefined,
): Module {
  const { kind, input: i, weight: { targetDtype, zeroPoint, ...rest } } = spec;
  const part = (key: string, dtype?: DType) => file.tensor(`${name}.${key}`, dtype, device);
  const weight = new AffineQuantizedTensor({
    intData: part(`${kind.weightName}.intData`, targetDtype),
    scale: part(`${kind.weightName}.scale`),
    zeroPoint: zeroPoint ? part(`${kind.weightName}.zeroPoint`) : null,
    ...rest,
  });
  const { output } = spec;
  const bias = spec.bias ? part("bias") : null;
  const before = spec.preScale ? { preScale: part("actPreScale") } : {};
  if (i?.kind !== "static") {
    return kind.build({ weight, input: i && { ...i, ...before }, bias, output }, module);
  }
  const { rows, ...fixed } = i;
  const [scale, zeroPointName] = ["actScale", "actZeroPoint"];
  const input = {
    ...fixed,
    ...before,
    scale: part(scale),
    zeroPoint: i.zeroPoint ? part(zeroPointName) : null,
  };
  const actNumbers = rows === 1
    ? {
      scale: file.number(`${name}.${scale}`),
      zeroPoint: i.zeroPoint ? file.number(`${name}.${zeroPointName}`) : 0,
    }
    : undefined;
  return kind.build({ weight, input, bias, output, actNumbers }, module);
}

function buildFunction(
  file: ModelFile,
  { name, spec: { kind, input, output }, module }: FunctionPlace,
  device: Device | undefined,
): Module {
  const table = kind.table ? file.tensor(`${name}.table`, output.targetDtype, device) : null;
  return kind.build(module, { input, output, table });
}
