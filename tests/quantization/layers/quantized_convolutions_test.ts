/** Convolutions of signals and volumes: what is done to those of images is done to them. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import {
  compareModels,
  compile,
  computeError,
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose1d,
  ConvTranspose2d,
  correctBias_,
  deepcopy,
  dequantizeAffine,
  type Device,
  type DType,
  insertObservers_,
  int8,
  isObserved,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  Module,
  ObservedConv1d,
  PerAxis,
  PerTensor,
  quantize_,
  quantizeAffine,
  QuantizedConv1d,
  QuantizedConvolution,
  randn,
  ReLU,
  removeObservers_,
  saveQuantizedModel,
  searchConfig,
  sensitivity,
  Sequential,
  smooth_,
  StateError,
  StaticQuantConfig,
  type Tensor,
  uint8,
} from "../../../mod.ts";
import { swapChannels } from "../../../lib/quantization/layers/output_first.ts";
import { eachBackend, few } from "../../backends.ts";
import { minMax } from "../flow.ts";

/** Observes on `batches` and quantizes all layers. */
async function quantized<M extends Module>(
  model: M,
  batches: readonly Tensor[],
  dtype: DType = uint8,
  weightDtype: DType = int8,
  perChannel = true,
): Promise<M> {
  const mapping = dtype === int8 ? MappingType.SYMMETRIC : MappingType.ASYMMETRIC;
  const granularity = perChannel ? new PerAxis(0) : new PerTensor();
  insertObservers_(model, minMax(mapping, dtype), minMax(mapping, weightDtype, { granularity }));
  for (const batch of batches) model.forward(batch).dispose();
  await quantize_(model, new StaticQuantConfig({ targetDtype: dtype, weightDtype }), isObserved);
  return model;
}

type Float = Conv1d | Conv3d | ConvTranspose1d;

const LAYERS: [make: (device: Device) => Float, shape: number[]][] = [
  [(device) => new Conv1d(3, 8, 5, { padding: 2, stride: 2, device }), [2, 3, 21]],
  [(device) => new Conv3d(2, 5, [2, 3, 3], { padding: 1, device }), [1, 2, 4, 5, 6]],
  [(device) => new ConvTranspose1d(6, 4, 4, { stride: 2, padding: 1, device }), [2, 6, 9]],
  [(device) => new Conv1d(20, 20, 3, { padding: "same", groups: 20, device }), [1, 20, 17]],
  [(device) => new Conv1d(8, 6, 3, { dilation: 2, groups: 2, bias: false, device }), [2, 8, 15]],
  [
    (device) => new Conv1d(4, 6, 4, { padding: 3, paddingMode: "circular", device }),
    [1, 4, 12],
  ],
  [
    (device) => new Conv3d(8, 6, 2, { stride: [1, 2, 2], dilation: [2, 1, 1], groups: 2, device }),
    [2, 8, 4, 5, 6],
  ],
  [
    (device) => new ConvTranspose1d(4, 6, 3, { stride: 3, outputPadding: 2, groups: 2, device }),
    [1, 4, 8],
  ],
];

/** What the layer should give: the convolution of what its integers stand for. */
function expected(layer: QuantizedConvolution, float: Float, x: Tensor): Tensor {
  const { actScale, actZeroPoint, qweight, targetDtype } = layer;
  using q = quantizeAffine(x, [...x.shape], actScale, actZeroPoint, targetDtype);
  using dx = dequantizeAffine(q, [...x.shape], actScale, actZeroPoint, targetDtype);
  using dw = qweight.dequantize();
  const turned = float instanceof ConvTranspose1d;
  const weight = turned ? swapChannels(dw, float.groups) : dw.reshape(dw.shape);
  return Object.assign(deepcopy(float), { weight }).forward(dx);
}

eachBackend("integer convolutions compute what their integers stand for", async (device) => {
  manualSeed(5);
  const pairs: [DType, DType, boolean][] = [
    [uint8, int8, true],
    [int8, int8, true],
    [uint8, uint8, true],
    [int8, int8, false],
  ];
  for (const [i, [make, shape]] of few([...LAYERS.entries()], 3)) {
    const float = make(device);
    const x = randn(shape, { device });
    const model = await quantized(new Sequential(deepcopy(float)), [x], ...pairs[i % pairs.length]);
    const [[, layer]] = model.namedChildren();
    assert(layer instanceof QuantizedConvolution);
    assertEquals(layer.constructor.name, `Quantized${float.constructor.name}`);
    const [y, wanted] = [model.forward(x), expected(layer, float, x)];
    assertEquals(y.shape, wanted.shape);
    const [a, b] = [await y.data(), await wanted.data()];
    const most = Math.max(...Array.from(b, Math.abs));
    for (let j = 0; j < a.length; j++) {
      assertLessOrEqual(Math.abs(a[j] - b[j]), most * 1e-5, `${String(layer)} at ${j}`);
    }
    assert(await computeError(float.forward(x), y) > 25, String(layer));
    // Without a batch.
    using one = randn(shape.slice(1), { device });
    assertEquals(model.forward(one).shape, y.shape.slice(1));
  }
});

/** A detector of events in a signal, and a volume made of it. */
class Net extends Module {
  stem = new Conv1d(3, 8, 5, { padding: 2, stride: 2 });
  relu = new ReLU();
  depthwise = new Conv1d(8, 8, 3, { padding: 1, groups: 8 });
  up = new ConvTranspose1d(8, 4, 2, { stride: 2 });
  volume = new Conv3d(2, 4, [1, 1, 3], { padding: [0, 0, 1] });
  override forward(x: Tensor): Tensor {
    const y = this.relu.forward(this.depthwise.forward(this.relu.forward(this.stem.forward(x))));
    const up = this.relu.forward(this.up.forward(y));
    return this.volume.forward(up.reshape(x.shape[0], 2, 1, 2, up.shape[2]));
  }
}

eachBackend("what is done to Linear layers is done to them", async (device) => {
  manualSeed(6);
  const float = await new Net().to(device);
  const batches = [randn([2, 3, 16], { device }), randn([1, 3, 16], { device })];
  const model = deepcopy(float);
  const [act, weight] = [
    minMax(MappingType.ASYMMETRIC, uint8),
    minMax(MappingType.ASYMMETRIC, uint8, { granularity: new PerAxis(0) }),
  ];
  const observed = insertObservers_(model, act, weight);
  assertEquals(observed, ["stem", "depthwise", "up", "volume"]);
  assertInstanceOf(model.stem, ObservedConv1d);
  assertEquals(
    [model.stem, model.depthwise, model.up, model.volume].map(({ constructor }) =>
      constructor.name
    ),
    ["ObservedConv1d", "ObservedConv1d", "ObservedConvTranspose1d", "ObservedConv3d"],
  );
  assertEquals(await model.forward(batches[0]).bytes(), await float.forward(batches[0]).bytes());
  assertEquals(removeObservers_(model), observed);
  assertEquals([model.stem.constructor, model.volume.constructor], [Conv1d, Conv3d]);

  await quantized(model, batches);
  const comparison = await compareModels(float, model, batches);
  assertEquals(comparison.layers.map(({ layer }) => layer), observed);
  assert(comparison.outputSqnr > 25, String(comparison.outputSqnr));
  const report = await correctBias_(model, float, batches);
  assertEquals(report.layers.map(({ change }) => change.length), [8, 8, 4, 4]);
  assert(report.sqnrAfter > comparison.outputSqnr - 0.5);

  const file = await saveQuantizedModel(model);
  const loaded = await new Net().to(device);
  loadQuantizedModel_(loaded, file);
  assertInstanceOf(loaded.depthwise, QuantizedConv1d);
  const [x] = batches;
  assertEquals(await loaded.forward(x).bytes(), await model.forward(x).bytes());
  assertEquals(await saveQuantizedModel(loaded), file);

  const ranked = await sensitivity(float, batches, new StaticQuantConfig(uint8));
  assertEquals(ranked.layers.map(({ layer }) => layer).sort(), [...observed].sort());
  const candidates = [new StaticQuantConfig(uint8)];
  assert((await searchConfig(float, batches, { target: 20, candidates })).sqnr >= 20);

  const smoothed = deepcopy(float);
  const smoothing = await smooth_(smoothed, batches);
  assertEquals(smoothing.layers.map(({ layer, predecessor }) => [layer, predecessor]), [
    ["depthwise", "stem"],
    ["up", "depthwise"],
  ]);
  assert(await computeError(float.forward(x), smoothed.forward(x)) > 100);

  if (device === "cpu") return;
  using compiled = compile(model);
  assertEquals(await compiled.forward(x).bytes(), await model.forward(x).bytes());
});

Deno.test("a file of one kind of convolutions is not loaded into another", async () => {
  const device = "cpu";
  const x = randn([1, 4, 6, 6], { device });
  const model = await quantized(new Sequential(new Conv2d(4, 4, 2, { device })), [x]);
  const file = await saveQuantizedModel(model);
  assertThrows(
    () => loadQuantizedModel_(new Sequential(new ConvTranspose2d(4, 4, 2, { device })), file),
    StateError,
    "0: a QuantizedConv2d takes the place of a Conv2d, not of a ConvTranspose2d; nothing was loaded",
  );
  assertThrows(
    () => loadQuantizedModel_(new Sequential(new Conv1d(4, 4, 2, { device })), file),
    StateError,
    "shape of 0: the model has (4, 4, 2), the file (4, 4, 2, 2)",
  );
});
