/** Transposed convolutions are observed and quantized as the others are: a U-Net in integers. */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  compareModels,
  compile,
  computeError,
  ConvTranspose2d,
  correctBias_,
  deepcopy,
  dequantizeAffine,
  type DType,
  init,
  insertObservers_,
  int8,
  isObserved,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  type Module,
  ObservedConvTranspose2d,
  PerAxis,
  PerTensor,
  quantize_,
  quantizeAffine,
  QuantizedConvTranspose2d,
  randn,
  removeObservers_,
  saveQuantizedModel,
  searchConfig,
  sensitivity,
  Sequential,
  smooth_,
  StaticQuantConfig,
  type Tensor,
  uint8,
} from "../../../mod.ts";
import { swapChannels } from "../../../lib/quantization/layers/output_first.ts";
import type { ConvTransposeLayerOptions } from "../../../lib/nn/transposed_convolution.ts";
import { eachBackend, few } from "../../backends.ts";
import { minMax } from "../flow.ts";
import { UNet } from "./unet.ts";

const NAMES = ["down", "middle", "up", "out"];

/** Puts all layers with a weight under observation; with `outputs` what they give too. */
function observe(
  model: Module,
  { outputs = false, perChannel = true, weight = int8 as DType } = {},
) {
  const granularity = perChannel ? new PerAxis(0) : new PerTensor();
  const weights = minMax(MappingType.SYMMETRIC, weight, { granularity });
  const options = outputs ? { activationPostProcess: minMax(MappingType.ASYMMETRIC, uint8) } : {};
  return insertObservers_(
    model,
    minMax(MappingType.ASYMMETRIC, uint8),
    weights,
    undefined,
    options,
  );
}

async function quantized<M extends Module>(
  model: M,
  batches: readonly Tensor[],
  options: Parameters<typeof observe>[1] = {},
): Promise<M> {
  observe(model, options);
  for (const batch of batches) model.forward(batch).dispose();
  const { weight: weightDtype = int8 } = options;
  const config = new StaticQuantConfig({ targetDtype: uint8, weightDtype });
  await quantize_(model, config, isObserved);
  return model;
}

const SHAPES: [number, number, number[], ConvTransposeLayerOptions, boolean][] = [
  [6, 4, [2, 2], { stride: 2 }, true],
  [5, 7, [3, 4], { stride: [2, 3], padding: 1, outputPadding: [1, 0], bias: false }, true],
  [8, 6, [3, 3], { stride: 2, groups: 2, dilation: 2 }, true],
  [4, 4, [3, 3], { groups: 4 }, false],
];

eachBackend(
  "a transposed integer convolution computes what its integers stand for",
  async (device) => {
    manualSeed(15);
    for (const [i, [channels, out, kernel, options, perChannel]] of few([...SHAPES.entries()], 3)) {
      const weight = i % 2 ? uint8 : int8;
      const up = new ConvTranspose2d(channels, out, kernel, { device, ...options });
      const model = new Sequential({ up });
      const x = randn([2, channels, 5, 4], { device });
      const float = model.forward(x);
      await quantized(model, [x], { perChannel, weight });
      const [[, layer]] = model.namedChildren();
      assertInstanceOf(layer, QuantizedConvTranspose2d);
      const y = model.forward(x);
      assertEquals(y.shape, float.shape);
      const { actScale, actZeroPoint, qweight, bias, targetDtype } = layer;
      assertEquals(qweight.scale.numel, perChannel ? out : 1);
      using q = quantizeAffine(x, [...x.shape], actScale, actZeroPoint, targetDtype);
      using dx = dequantizeAffine(q, [...x.shape], actScale, actZeroPoint, targetDtype);
      using dw = qweight.dequantize();
      const turned = swapChannels(dw, options.groups ?? 1);
      const same = new ConvTranspose2d(channels, out, kernel, { ...options, weight: turned, bias });
      const [a, b] = [await y.data(), await same.forward(dx).data()];
      const most = Math.max(...Array.from(b, Math.abs));
      const off = a.findIndex((value, j) => Math.abs(value - b[j]) > most * 1e-5);
      assertEquals(off, -1, `${JSON.stringify(options)}: ${a[off]}, not ${b[off]}`);
      assert(await computeError(float, y) > 25);
      assertEquals(model.forward(randn([channels, 5, 4], { device })).shape, float.shape.slice(1));
      assertThrows(() => model.forward(randn([1, channels + 1, 5, 4], { device })), RangeError);
    }
  },
);

eachBackend(
  "what is done to a U-Net's convolutions is done to its transposed one",
  async (device) => {
    manualSeed(16);
    const float = await new UNet().to(device);
    const batches = [randn([2, 1, 12, 12], { device }), randn([1, 1, 12, 12], { device })];
    const model = deepcopy(float);
    assertEquals(observe(model), NAMES);
    assertInstanceOf(model.up, ObservedConvTranspose2d);
    assertEquals(await model.forward(batches[0]).bytes(), await float.forward(batches[0]).bytes());
    assertEquals(removeObservers_(model), NAMES);
    assertEquals(model.up.constructor, ConvTranspose2d);

    await quantized(model, batches);
    const comparison = await compareModels(float, model, batches);
    assertEquals(comparison.layers.map(({ layer }) => layer), NAMES);
    assert(comparison.outputSqnr > 25, String(comparison.outputSqnr));
    assert(comparison.layers.every(({ weightSqnr }) => weightSqnr! > 30));
    const report = await correctBias_(model, float, batches);
    assertEquals(report.layers.map(({ change }) => change.length), [6, 12, 6, 2]);

    const loaded = await new UNet().to(device);
    loadQuantizedModel_(loaded, await saveQuantizedModel(model));
    assertInstanceOf(loaded.up, QuantizedConvTranspose2d);
    assertEquals(await loaded.forward(batches[0]).bytes(), await model.forward(batches[0]).bytes());

    const candidates = [new StaticQuantConfig(uint8)];
    const ranked = await sensitivity(float, batches, candidates[0]);
    assertEquals(ranked.layers.map(({ layer }) => layer).sort(), NAMES.toSorted());
    assert((await searchConfig(float, batches, { target: 20, candidates })).sqnr >= 20);
  },
);

eachBackend(
  "smoothing goes into and out of a transposed convolution, in groups too",
  async (device) => {
    manualSeed(17);
    const float = await new Sequential([
      new ConvTranspose2d(4, 6, 3, { groups: 2 }),
      new ConvTranspose2d(6, 8, 2, { stride: 2, groups: 2 }),
      new ConvTranspose2d(8, 3, 1),
    ]).to(device);
    const x = randn([2, 4, 5, 5], { device });
    const smoothed = deepcopy(float);
    const { layers } = await smooth_(smoothed, [x]);
    assertEquals(layers.map(({ layer, predecessor }) => [layer, predecessor]), [["1", "0"], [
      "2",
      "1",
    ]]);
    assert(layers.some(({ scale }) => scale.some((factor) => Math.abs(factor - 1) > 0.1)));
    assert(await computeError(float.forward(x), smoothed.forward(x)) > 100);
  },
);

Deno.test("compiled, a U-Net whose layers hand on bytes gives the same bits [webgpu]", async () => {
  manualSeed(18);
  await init({ device: "webgpu" });
  const model = await quantized(new UNet(), [randn([2, 1, 12, 12])], { outputs: true });
  assert(model.up.forward(randn([1, 12, 4, 4])).isQuantized);
  using compiled = compile(model);
  for (const shape of [[2, 1, 12, 12], [1, 1, 16, 8]]) {
    const x = randn(shape);
    assertEquals(await compiled.forward(x).bytes(), await model.forward(x).bytes());
  }
});
