import { assert, assertEquals, assertInstanceOf, assertLessOrEqual } from "@std/assert";
import {
  compareModels,
  compile,
  computeError,
  Conv2d,
  correctBias_,
  deepcopy,
  dequantizeAffine,
  type DType,
  float16,
  float32,
  init,
  insertObservers_,
  int8,
  isObserved,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  Module,
  ObservedConv2d,
  PerAxis,
  PerTensor,
  quantize_,
  quantizeAffine,
  QuantizedConv2d,
  randn,
  ReLU,
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
import type { ConvLayerOptions } from "../../../lib/nn/convolution.ts";
import { eachBackend, few } from "../../backends.ts";
import { minMax } from "../flow.ts";

/** Observes on `batches` and quantizes all layers. */
async function quantized<M extends Module>(
  model: M,
  batches: readonly Tensor[],
  { dtype = uint8, weightDtype = dtype, perChannel = true }: {
    dtype?: DType;
    weightDtype?: DType;
    perChannel?: boolean;
  } = {},
): Promise<M> {
  const mapping = dtype === int8 ? MappingType.SYMMETRIC : MappingType.ASYMMETRIC;
  const granularity = perChannel ? new PerAxis(0) : new PerTensor();
  insertObservers_(model, minMax(mapping, dtype), minMax(mapping, weightDtype, { granularity }));
  for (const batch of batches) model.forward(batch).dispose();
  await quantize_(model, new StaticQuantConfig({ targetDtype: dtype, weightDtype }), isObserved);
  return model;
}

const SHAPES: [channels: number, out: number, kernel: number[], options: ConvLayerOptions][] = [
  [3, 8, [3, 3], { padding: 1 }],
  [16, 24, [1, 1], { bias: false }],
  [8, 6, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2] }],
  [20, 20, [3, 3], { padding: "same", groups: 20 }],
  [12, 8, [3, 3], { padding: 2, groups: 4 }],
  [5, 7, [5, 3], { padding: 1, paddingMode: "reflect" }],
];

/** What the layer should give: the convolution of what its integers stand for. */
function expected(layer: QuantizedConv2d, x: Tensor): Tensor {
  const { actScale, actZeroPoint, qweight, bias, targetDtype, geometry } = layer;
  using q = quantizeAffine(x, [...x.shape], actScale, actZeroPoint, targetDtype);
  using dx = dequantizeAffine(q, [...x.shape], actScale, actZeroPoint, targetDtype);
  using dw = qweight.dequantize();
  const float = new Conv2d(layer.inChannels, layer.outChannels, layer.kernelSize, {
    ...geometry,
    weight: dw,
    bias,
  });
  return float.forward(dx);
}

eachBackend("an integer convolution computes what its integers stand for", async (device) => {
  manualSeed(5);
  const pairs: [DType, DType, boolean][] = [
    [uint8, uint8, true],
    [uint8, int8, true],
    [int8, int8, false],
    [uint8, uint8, false],
  ];
  for (const [i, [channels, out, kernel, options]] of few([...SHAPES.entries()], 3)) {
    for (
      const [dtype, weightDtype, perChannel] of i === 0 ? pairs : pairs.slice(i % 2, i % 2 + 1)
    ) {
      const model = new Sequential({
        conv: new Conv2d(channels, out, kernel, { device, ...options }),
      });
      const x = randn([2, channels, 9, 11], { device });
      const float = model.forward(x);
      await quantized(model, [x], { dtype, weightDtype, perChannel });
      const [[, layer]] = model.namedChildren();
      assertInstanceOf(layer, QuantizedConv2d);
      const y = model.forward(x);
      assertEquals(y.shape, float.shape);
      const what = `${dtype.name} ${weightDtype.name} ${JSON.stringify(options)}`;
      const wanted = expected(layer, x);
      const [a, b] = [await y.data(), await wanted.data()];
      const most = Math.max(...Array.from(b, Math.abs));
      for (let j = 0; j < a.length; j++) {
        assertLessOrEqual(Math.abs(a[j] - b[j]), most * 1e-5, `${what} at ${j}`);
      }
      const sqnr = await computeError(float, y);
      assert(sqnr > 25, `${what}: ${sqnr} dB`);
      // A picture without a batch.
      const [one] = [randn([channels, 9, 11], { device })];
      assertEquals(model.forward(one).shape, float.shape.slice(1));
    }
  }
});

/** A residual block with a depthwise convolution, and a head. */
class Net extends Module {
  stem = new Conv2d(3, 8, 3, { padding: 1, stride: 2 });
  relu = new ReLU();
  depthwise = new Conv2d(8, 8, 3, { padding: 1, groups: 8 });
  point = new Conv2d(8, 16, 1);
  override forward(x: Tensor): Tensor {
    const y = this.relu.forward(this.stem.forward(x));
    return this.point.forward(this.relu.forward(this.depthwise.forward(y)));
  }
}

eachBackend("what is done to Linear layers is done to convolutions", async (device) => {
  manualSeed(6);
  const float = await new Net().to(device);
  const batches = [randn([2, 3, 12, 12], { device }), randn([1, 3, 12, 12], { device })];
  const model = deepcopy(float);
  const observed = insertObservers_(
    model,
    minMax(MappingType.ASYMMETRIC, uint8),
    minMax(MappingType.ASYMMETRIC, uint8, { granularity: new PerAxis(0) }),
  );
  assertEquals(observed, ["stem", "depthwise", "point"]);
  assertInstanceOf(model.stem, ObservedConv2d);
  assertEquals(await model.forward(batches[0]).bytes(), await float.forward(batches[0]).bytes());
  assertEquals(removeObservers_(model), observed);
  assertEquals(model.stem.constructor, Conv2d);

  await quantized(model, batches);
  const comparison = await compareModels(float, model, batches);
  assertEquals(comparison.layers.map(({ layer }) => layer), observed);
  assert(comparison.outputSqnr > 25, String(comparison.outputSqnr));
  assert(comparison.layers.every(({ weightSqnr }) => weightSqnr! > 30));

  const before = comparison.outputSqnr;
  const report = await correctBias_(model, float, batches);
  assertEquals(report.layers.map(({ change }) => change.length), [8, 8, 16]);
  assert(report.sqnrAfter > before - 0.5);

  const file = await saveQuantizedModel(model);
  const loaded = await new Net().to(device);
  loadQuantizedModel_(loaded, file);
  assertInstanceOf(loaded.depthwise, QuantizedConv2d);
  assertEquals(await loaded.forward(batches[0]).bytes(), await model.forward(batches[0]).bytes());

  const ranked = await sensitivity(float, batches, new StaticQuantConfig(uint8));
  assertEquals(ranked.layers.map(({ layer }) => layer).sort(), [...observed].sort());
  const found = await searchConfig(float, batches, {
    target: 20,
    candidates: [new StaticQuantConfig(uint8)],
  });
  assert(found.sqnr >= 20);

  const smoothed = deepcopy(float);
  const smoothing = await smooth_(smoothed, batches);
  assertEquals(smoothing.layers.map(({ layer, predecessor }) => [layer, predecessor]), [
    ["depthwise", "stem"],
    ["point", "depthwise"],
  ]);
  assert(await computeError(float.forward(batches[0]), smoothed.forward(batches[0])) > 100);
});

Deno.test("compiled, an integer network gives the same bits, in fewer dispatches [webgpu]", async () => {
  manualSeed(7);
  await init({ device: "webgpu" });
  const model = await quantized(new Net(), [randn([2, 3, 12, 12])]);
  using compiled = compile(model);
  for (const shape of [[2, 3, 12, 12], [1, 3, 15, 9]]) {
    const x = randn(shape);
    assertEquals(await compiled.forward(x).bytes(), await model.forward(x).bytes());
  }
  for (const dtype of [float32, float16]) {
    model.to(dtype);
    const x = randn([1, 3, 8, 8], { dtype });
    const y = model.forward(x);
    assertEquals(y.dtype, dtype);
    assertEquals((await y.data()).length, y.numel);
  }
});
