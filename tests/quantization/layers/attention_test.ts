/** The projections of attention, observed and quantized. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  compareModels,
  compile,
  computeError,
  deepcopy,
  type Device,
  type Granularity,
  insertObservers_,
  isObserved,
  LayerNorm,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  type Module,
  MultiheadAttention,
  PerAxis,
  PerTensor,
  quantize_,
  randn,
  saveQuantizedModel,
  sensitivity,
  Sequential,
  splitProjections_,
  StaticQuantConfig,
  type Tensor,
  TransformerEncoderLayer,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const observer = (granularity: Granularity) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });

const build = (device: Device) =>
  new Sequential({
    norm: new LayerNorm(32, { device }),
    layer: new TransformerEncoderLayer(32, 4, {
      dimFeedforward: 64,
      batchFirst: true,
      normFirst: true,
      activation: "gelu",
      device,
    }),
  });

const NAMES = [
  "layer.self_attn.linear_Q",
  "layer.self_attn.linear_K",
  "layer.self_attn.linear_V",
  "layer.self_attn.out_proj",
  "layer.linear1",
  "layer.linear2",
];

async function quantized(float: Module, x: Tensor, outputs: boolean): Promise<Module> {
  const model = deepcopy(float);
  const activationPostProcess = observer(new PerTensor());
  const names = insertObservers_(
    model,
    observer(new PerTensor()),
    observer(new PerAxis(0)),
    undefined,
    outputs ? { activationPostProcess } : {},
  );
  assertEquals(names.toSorted(), NAMES.toSorted());
  model.forward(x).dispose();
  await quantize_(model, new StaticQuantConfig(uint8), isObserved);
  return model;
}

eachBackend("split projections compute what the joint one did", async (device) => {
  manualSeed(21);
  for (const options of [{}, { kdim: 8, vdim: 24 }, { bias: false }]) {
    const joint = new MultiheadAttention(32, 4, { ...options, batchFirst: true, device });
    const split = deepcopy(joint);
    assertEquals(splitProjections_(split), [""]);
    assertEquals(splitProjections_(split), []);
    const sizes = [32, split.kdim, split.vdim];
    const inputs = sizes.map((size, i) => randn([2, i ? 7 : 5, size], { device }));
    using expected = joint.forward(...inputs as [Tensor, Tensor, Tensor]);
    using y = split.forward(...inputs as [Tensor, Tensor, Tensor]);
    assert(await computeError(expected, y).then(Number) > 120);
    const names = Object.keys(split.stateDict());
    assert(names.includes("linear_Q.weight") && !names.includes("in_proj_weight"));
  }
  assertThrows(() => splitProjections_({} as Module), TypeError, "no Module");
});

for (const outputs of [false, true]) {
  eachBackend(
    `they are observed and quantized${outputs ? ", with bytes between" : ""}`,
    async (device) => {
      manualSeed(22);
      const float = build(device);
      splitProjections_(float);
      const x = randn([2, 9, 32], { device });
      using exact = float.forward(x);
      const model = await quantized(float, x, outputs);
      using y = model.forward(x);
      assert(await computeError(exact, y).then(Number) > 25);
      const { layers } = await compareModels(float, model, [x]);
      assertEquals(layers.map(({ layer }) => layer).sort(), NAMES.toSorted());
      assert(layers.every(({ kind }) => kind === "QuantizedLinear"));

      const loaded = build(device);
      splitProjections_(loaded);
      loadQuantizedModel_(loaded, await saveQuantizedModel(model));
      using again = loaded.forward(x);
      assertEquals(await again.bytes(), await y.bytes());

      const report = await sensitivity(float, [x], new StaticQuantConfig(uint8));
      assertEquals(report.layers.length, NAMES.length);
      if (device === "cpu") return;
      using compiled = compile(model);
      using z = compiled.forward(x);
      assertEquals(await z.bytes(), await y.bytes());
    },
  );
}
