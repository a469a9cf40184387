/**
 * Quantized models as safetensors files: integers, scales, zero points and float tensors by name,
 * and in the metadata, as JSON, what they mean.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { Linear } from "../../nn/linear.ts";
import { isLinearWeight, type Module, nameModules, setField } from "../../nn/module.ts";
import { int8SymmPerTokenReducedRangeQuant } from "../configs/int8_dynamic_activation.ts";
import { LinearActivationQuantizedTensor } from "../tensors/linear_activation_quantized_tensor.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { QuantizedLinear } from "../layers/quantized_linear.ts";
import { AffineQuantizedTensor, toAffineQuantizedIntxStatic } from "../tensors/quantized_tensor.ts";
import { type DType, dtypes } from "../../numbers/dtype.ts";
import { ones, type Tensor, zeros } from "../../tensor/tensor.ts";
import { parseSafetensors } from "../../files/safetensors.ts";
import { saveSafetensors } from "../../nn/state_file.ts";
import { KEY, type LayerSpec, parseLayers, VERSION, type WeightSpec } from "./layer_spec.ts";
import { isBelow, ModelFile } from "./model_file.ts";

/** A layer on its way into a file. */
interface SavedLayer {
  readonly spec: LayerSpec;
  readonly tensors: Record<string, Tensor>;
}

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
 * hold: by a class or an input quantization of one's own.
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
  const layers: Record<string, LayerSpec> = {};
  const tensors = model.stateDict();
  const own = new Set<Tensor>();
  try {
    for (const [name, module] of model.namedModules()) {
      const saved = saveLayer(where, name, module, own);
      if (!saved) continue;
      layers[name] = saved.spec;
      for (const key of Object.keys(tensors)) if (isBelow(key, name)) delete tensors[key];
      for (const [part, t] of Object.entries(saved.tensors)) tensors[`${name}.${part}`] = t;
    }
    const description = JSON.stringify({ version: VERSION, layers });
    return await saveSafetensors(tensors, { ...metadata, [KEY]: description });
  } finally {
    own.forEach((t) => t.dispose());
  }
}

/** What a quantized layer is saved as; undefined for other modules. `own` takes what it makes. */
function saveLayer(
  where: string,
  name: string,
  module: Module,
  own: Set<Tensor>,
): SavedLayer | undefined {
  const called = `${name || "the model itself"} (${module.constructor.name})`;
  if (module instanceof ObservedLinear) {
    throw new Error(`${where}: ${called} is under observation; call quantize_ before saving`);
  }
  const saved = layerParts(where, called, module, own);
  if (saved && name === "") {
    throw new Error(
      `${where}: ${called} cannot be loaded in place; put it into a Sequential before quantizing`,
    );
  }
  const unknown = saved ? undefined : Object.entries(module).find(([, v]) => isLinearWeight(v));
  if (unknown) {
    throw new Error(
      `${where}: ${called} holds a quantized weight in its field ${
        unknown[0]
      }, but of a layer or weight ` +
        `class that the format does not know; quantize it with a config of this toolkit`,
    );
  }
  return saved;
}

function layerParts(
  where: string,
  called: string,
  module: Module,
  own: Set<Tensor>,
): SavedLayer | undefined {
  const withBias = (bias: Tensor | null): Record<string, Tensor> => bias ? { bias } : {};
  if (module instanceof QuantizedLinear) {
    const { qweight, actScale, actZeroPoint, targetDtype, actRange, bias } = module;
    const { actSymmetric } = module as unknown as { actSymmetric?: boolean };
    return {
      spec: {
        kind: "QuantizedLinear",
        weight: weightSpec(qweight),
        input: { targetDtype: targetDtype.name, ...actRange, zeroPoint: true },
        bias: bias !== null,
        ...(actSymmetric ? { actSymmetric } : {}),
      },
      tensors: {
        ...weightTensors("qweight", qweight, own),
        actScale,
        actZeroPoint,
        ...withBias(bias),
      },
    };
  }
  if (!(module instanceof Linear)) return;
  const { weight, bias } = module;
  if (weight instanceof AffineQuantizedTensor) {
    return {
      spec: {
        kind: "WeightOnlyLinear",
        weight: weightSpec(weight),
        input: null,
        bias: bias !== null,
      },
      tensors: { ...weightTensors("weight", weight, own), ...withBias(bias) },
    };
  }
  if (!(weight instanceof LinearActivationQuantizedTensor)) return;
  if (weight.inputQuantFunc === int8SymmPerTokenReducedRangeQuant) {
    return {
      spec: {
        kind: "DynamicInputLinear",
        weight: weightSpec(weight.originalWeight),
        input: null,
        bias: bias !== null,
      },
      tensors: { ...weightTensors("weight", weight.originalWeight, own), ...withBias(bias) },
    };
  }
  const input = staticInput(weight);
  if (!input) {
    throw new Error(
      `${where}: ${called} quantizes its input by a function of its own (${
        weight.inputQuantFunc.name || "without a name"
      }), which a file cannot hold; use a config of this toolkit`,
    );
  }
  const { targetDtype, quantMin, quantMax, scale, zeroPoint } = input;
  return {
    spec: {
      kind: "StaticInputLinear",
      weight: weightSpec(weight.originalWeight),
      input: { targetDtype: targetDtype.name, quantMin, quantMax, zeroPoint: zeroPoint !== null },
      bias: bias !== null,
    },
    tensors: {
      ...weightTensors("weight", weight.originalWeight, own),
      actScale: scale,
      ...(zeroPoint ? { actZeroPoint: zeroPoint } : {}),
      ...withBias(bias),
    },
  };
}

/** The input's parameters, if they do not depend on the input: two inputs then share tensors. */
function staticInput(weight: LinearActivationQuantizedTensor): AffineQuantizedTensor | undefined {
  const { dtype, device } = weight;
  const shape = [1, weight.shape[1]];
  using a = zeros(shape, { dtype, device });
  using b = ones(shape, { dtype, device });
  using p = weight.inputQuantFunc(a);
  using q = weight.inputQuantFunc(b);
  return p.scale === q.scale && p.zeroPoint === q.zeroPoint ? p : undefined;
}

function weightSpec(weight: AffineQuantizedTensor): WeightSpec {
  const { dtype, shape, blockSize, targetDtype, quantMin, quantMax, zeroPoint } = weight;
  return {
    dtype: dtype.name,
    shape,
    blockSize,
    targetDtype: targetDtype.name,
    quantMin,
    quantMax,
    zeroPoint: zeroPoint !== null,
  };
}

function weightTensors(field: string, weight: AffineQuantizedTensor, own: Set<Tensor>) {
  const intData = weight.intData();
  own.add(intData);
  const { scale, zeroPoint } = weight;
  return {
    [`${field}.intData`]: intData,
    [`${field}.scale`]: scale,
    ...(zeroPoint ? { [`${field}.zeroPoint`]: zeroPoint } : {}),
  };
}

/**
 * Loads what {@linkcode saveQuantizedModel} saved into a freshly built float model of the same
 * architecture, in place: its layers are swapped for quantized ones as the file says, and the
 * tensors of its other modules replaced, in the file's dtypes. The float weights that it has are not
 * looked at. What comes back computes the same bits. Either all is loaded or nothing.
 *
 * @param model the float model.
 * @param bytes the file's bytes.
 * @returns the metadata that was given when saving.
 * @throws {SafetensorsError} if the file is damaged, is not a quantized model, or was written by a
 * newer version of the format.
 * @throws {Error} if file and model do not fit: a tensor or a module missing or unknown, or of
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
  const layers = file.layerPlaces(model);
  const fields = file.floatPlaces(model);
  file.throwProblems(model);

  const modules = layers.map(({ name, spec }) => {
    try {
      return buildLayer(file, name, spec, device);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
      throw new Error(`${where}: ${name}: ${error.message}; nothing was loaded`, { cause: error });
    }
  });
  const values = fields.map(({ key, dtype }) => file.tensor(key, dtype, device));
  layers.forEach(({ parent, field }, i) => setField(parent, field, modules[i]));
  fields.forEach(({ owner, field }, i) => setField(owner, field, values[i]));
  nameModules(model);
  return rest;
}

function buildLayer(
  file: ModelFile,
  name: string,
  spec: LayerSpec,
  device: Device | undefined,
): Module {
  const { kind, weight: w, input, bias: hasBias } = spec;
  const part = (key: string, dtype?: DType) => file.tensor(`${name}.${key}`, dtype, device);
  const field = kind === "QuantizedLinear" ? "qweight" : "weight";
  const { blockSize, quantMin, quantMax, shape } = w;
  const weight = new AffineQuantizedTensor({
    intData: part(`${field}.intData`, dtypes[w.targetDtype]),
    scale: part(`${field}.scale`),
    zeroPoint: w.zeroPoint ? part(`${field}.zeroPoint`) : null,
    blockSize,
    dtype: dtypes[w.dtype],
    quantMin,
    quantMax,
  });
  const bias = hasBias ? part("bias") : null;
  if (!input) {
    const whole = kind === "WeightOnlyLinear"
      ? weight
      : new LinearActivationQuantizedTensor(weight, int8SymmPerTokenReducedRangeQuant);
    return linearWith(shape, whole, bias);
  }
  const targetDtype = dtypes[input.targetDtype];
  const actScale = part("actScale");
  const actZeroPoint = input.zeroPoint ? part("actZeroPoint") : null;
  if (kind === "QuantizedLinear") {
    const parts = {
      actScale,
      actZeroPoint: actZeroPoint!,
      qweight: weight,
      bias,
      targetDtype,
      actQuantMin: input.quantMin,
      actQuantMax: input.quantMax,
      actSymmetric: spec.actSymmetric ?? false,
    };
    return new QuantizedLinear(parts);
  }
  const range = { quantMin: input.quantMin, quantMax: input.quantMax };
  const staticInputQuant = (x: Tensor) =>
    toAffineQuantizedIntxStatic(x, actScale, actZeroPoint, x.shape, targetDtype, range);
  return linearWith(shape, new LinearActivationQuantizedTensor(weight, staticInputQuant), bias);
}

/** A `Linear` without a weight drawn at random first. */
function linearWith(
  [outFeatures, inFeatures]: readonly number[],
  weight: AffineQuantizedTensor | LinearActivationQuantizedTensor,
  bias: Tensor | null,
): Linear {
  const linear: Linear = Object.create(Linear.prototype);
  return Object.assign(linear, { fullName: "", inFeatures, outFeatures, weight, bias });
}
