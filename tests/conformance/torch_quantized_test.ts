/** Layers on bytes beside the recorded answers of PyTorch's quantized modules, on both backends. */
import { assert, assertEquals } from "@std/assert";
import * as library from "../../mod.ts";
import {
  type ActivationQuantizer,
  AffineQuantizedTensor,
  type Device,
  float32,
  type Module,
  QuantizedAdd,
  QuantizedCat,
  type QuantizedLayerParts,
  QuantizedLinear,
  QuantizedMul,
  QuantizedPool,
  QuantizedTable,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { swapChannels } from "../../lib/quantization/layers/output_first.ts";
import { eachBackend } from "../backends.ts";
import { reference } from "./reference.ts";

interface Bytes {
  scale: number;
  zeroPoint: number;
}

interface Case {
  name: string;
  layer: string;
  options: Record<string, unknown>;
  inputs: Bytes[];
  output: Bytes;
}

type Recorded = ReturnType<typeof reference<Case>>;

const quantizer = (params: Bytes, quantMin = 0): ActivationQuantizer => ({
  ...params,
  targetDtype: uint8,
  quantMin,
  quantMax: 255,
});

/** What a quantized layer with a weight consists of. */
function partsOf(recorded: Recorded, of: Case, device: Device): QuantizedLayerParts {
  const { name, inputs: [x], output, options: { relu } } = of;
  const given = recorded.load(`${name}.weight`, device);
  const { groups = 1 } = of.options as { groups?: number };
  const intData = of.layer.startsWith("ConvTranspose") ? swapChannels(given, groups) : given;
  const scale = recorded.load(`${name}.weight_scale`, device);
  const [, ...inside] = intData.shape;
  const blockSize = [scale.numel === 1 ? intData.shape[0] : 1, ...inside];
  return {
    actScale: tensor([x.scale], { device }),
    actZeroPoint: tensor([x.zeroPoint], { device }),
    actNumbers: x,
    qweight: new AffineQuantizedTensor({
      ...{ intData, scale, zeroPoint: null, blockSize, dtype: float32 },
      ...{ quantMin: -128, quantMax: 127 },
    }),
    bias: recorded.has(`${name}.bias`) ? recorded.load(`${name}.bias`, device) : null,
    targetDtype: uint8,
    output: quantizer(output, relu ? output.zeroPoint : 0),
  };
}

/** A float layer by the name that PyTorch has for it. */
function floatLayer({ layer, options }: Case): Module {
  // deno-lint-ignore no-explicit-any -- by the name in the file
  const type = (library as any)[layer];
  const { kernelSize, outputSize, ...rest } = options;
  if (outputSize !== undefined) return new type(outputSize);
  return kernelSize === undefined ? new type(rest) : new type(kernelSize, rest);
}

/** The layer that a case is of, as `quantize_` makes it. */
async function layerOf(recorded: Recorded, of: Case, device: Device): Promise<Module> {
  const { layer, options, inputs: [x] } = of;
  const parts = { input: quantizer(x), output: quantizer(of.output), table: null };
  switch (layer) {
    case "Conv1d":
    case "Conv2d":
    case "Conv3d":
    case "ConvTranspose1d":
    case "ConvTranspose2d": {
      const made = partsOf(recorded, of, device);
      const [out, inside, ...kernel] = made.qweight.shape;
      const { relu: _, ...rest } = options;
      const { groups = 1 } = rest as { groups?: number };
      const float = new library[layer](inside * groups, out, kernel, rest);
      const type = library[`Quantized${layer}`] as unknown as new (
        parts: QuantizedLayerParts,
        geometry: Module,
      ) => Module;
      return new type(made, float);
    }
    case "Linear":
      return new QuantizedLinear(partsOf(recorded, of, device));
    case "Add":
      return new QuantizedAdd(parts, options.relu === true);
    case "Mul":
      return new QuantizedMul(parts);
    case "Cat":
      return new QuantizedCat(parts, options.dim as number);
    case "AvgPool2d":
    case "AdaptiveAvgPool2d":
      return new QuantizedPool(floatLayer(of) as library.AvgPool2d, parts);
    case "ReLU":
    case "MaxPool2d":
      return floatLayer(of); // which take bytes as they are
    default: {
      const float = floatLayer(of);
      return new QuantizedTable({ ...parts, table: await QuantizedTable.tableOf(float, parts) });
    }
  }
}

eachBackend("the bytes of PyTorch's quantized modules", async (device) => {
  const recorded = reference<Case>("torch-quantized");
  assertEquals(recorded.cases.length, 56);
  let [all, differ] = [0, 0];
  for (const of of recorded.cases) {
    const { name, inputs, output } = of;
    const layer = await layerOf(recorded, of, device);
    const xs = inputs.map((params, i) =>
      Tensor.fromBytes(recorded.load(`${name}.x${i}`, device), params)
    );
    using y = layer.forward(...xs);
    assert(y.isQuantized, name);
    assertEquals([y.qScale(), y.qZeroPoint()], [output.scale, output.zeroPoint], name);
    using bytes = y.intRepr();
    const [found, expected] = [await bytes.data(), await recorded.load(`${name}.y`, "cpu").data()];
    assertEquals(found.length, expected.length, name);
    const wrong = Array.from(found).filter((byte, i) => byte !== expected[i]);
    const far = Array.from(found).findIndex((byte, i) => Math.abs(byte - expected[i]) > 1);
    assertEquals(far, -1, `${name}: byte ${far} is ${found[far]}, not ${expected[far]}`);
    all += found.length;
    differ += wrong.length;
    // The same floats bring the same bytes, wherever they come from.
    const floats = await Promise.all(xs.map((x) => x.data()));
    const plain = floats.map((data, i) => tensor(data, { shape: xs[i].shape, device }));
    using again = layer.forward(...plain);
    assertEquals(await again.data(), await y.data(), `${name} of floats`);
  }
  // Where a value lies in the middle between two bytes up to float32's rounding, the order of operations counts:
  // PyTorch scales sums by one factor, or multiplies and adds at once.
  assert(differ <= 1e-4 * all, `${differ} of ${all} bytes differ`);
});
