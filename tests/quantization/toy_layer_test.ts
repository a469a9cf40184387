/** A kind of quantized layer that no file of the library knows: one class, one registration. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type AffineQuantizedTensor,
  AOBaseConfig,
  chooseQParamsAffine,
  compareModels,
  compile,
  computeError,
  correctBias_,
  deepcopy,
  dynamicInputQuantizer,
  exportOnnx,
  init,
  insertObservers_,
  int4,
  isObserved,
  type LayerKind,
  Linear,
  loadQuantizedModel_,
  manualSeed,
  Module,
  ObservedLinear,
  PerAxis,
  quantize_,
  QuantizedLinear,
  randn,
  registerLayerKind,
  registerQuantizeModuleHandler,
  registerStaticLayer,
  ReLU,
  saveQuantizedModel,
  sensitivity,
  Sequential,
  type StaticLayer,
  StaticQuantConfig,
  type Tensor,
  toAffineQuantizedIntxStatic,
  toAffineQuantizedPerToken,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { minMax } from "./flow.ts";
import { assertClose, constantTypes, runFile } from "../onnx/model.ts";

/** 7 bits for each row of the input, 4 for each row of the weight, in fields of its own names. */
const RANGE = { quantMin: -63, quantMax: 63 };

class ToyLinear extends Module {
  constructor(readonly codes: AffineQuantizedTensor, public bias: Tensor | null) {
    super();
  }
  override forward(x: Tensor): Tensor {
    using q = toAffineQuantizedPerToken(x, RANGE);
    return this.codes.linear(q, this.bias);
  }
}

const kind: LayerKind<ToyLinear> = {
  name: "ToyLinear",
  type: ToyLinear,
  input: "dynamic",
  weightName: "codes",
  parts: ({ codes: weight, bias }) => ({ weight, input: dynamicInputQuantizer(RANGE), bias }),
  build: ({ weight, bias }) => new ToyLinear(weight, bias),
};
registerLayerKind(kind);

class ToyConfig extends AOBaseConfig {}

registerQuantizeModuleHandler(ToyConfig, async (module) => {
  const { weight, bias } = module as Linear & { weight: Tensor };
  const block = new PerAxis(0).blockSize(weight.shape);
  const [scale, zeroPoint] = await chooseQParamsAffine(weight, "SYMMETRIC", block, int4);
  return new ToyLinear(toAffineQuantizedIntxStatic(weight, scale, zeroPoint, block, int4), bias);
});

const build = () =>
  new Sequential({
    fc1: new Linear(64, 48),
    relu: new ReLU(),
    fc2: new Linear(48, 8, { bias: false }),
  });

async function toyModel(): Promise<{ float: Sequential; model: Sequential; x: Tensor }> {
  manualSeed(61);
  const float = build();
  const model = deepcopy(float);
  assertEquals(await quantize_(model, new ToyConfig()), ["fc1", "fc2"]);
  const x = randn([16, 64]);
  assert(await computeError(float.forward(x), model.forward(x)) > 10);
  return { float, model, x };
}

eachBackend("a layer of a new kind is saved and loaded", async () => {
  const { model, x } = await toyModel();
  const file = await saveQuantizedModel(model);
  const loaded = build();
  for (const _ of [1, 2]) { // onto a float model, and onto what came of it
    loadQuantizedModel_(loaded, file);
    assert(loaded.namedChildren()[0][1] instanceof ToyLinear);
    assertEquals(await loaded.forward(x).bytes(), await model.forward(x).bytes());
    assertEquals(await saveQuantizedModel(loaded), file);
  }
  const narrower = new Sequential({
    fc1: new Linear(64, 8),
    relu: new ReLU(),
    fc2: new Linear(8, 8),
  });
  const { message } = assertThrows(() => loadQuantizedModel_(narrower, file), Error);
  assertStringIncludes(message, "shape of fc1: the model has (8, 64), the file (48, 64)");
});

Deno.test("a layer of a new kind is exported, and onnxruntime computes the same", async () => {
  await init({ device: "cpu" });
  const { model, x } = await toyModel();
  const expected = await model.forward(x).data();
  const file = await exportOnnx(model, x);
  assertClose(await runFile(file, x), expected, 1e-4);
  assertEquals(constantTypes(file)["fc1.weight"], "INT8");
  using compiled = compile(model, { backend: "onnxruntime" });
  assertClose(await (await compiled.forward(x)).data(), expected, 1e-4);
});

eachBackend("a layer of a new kind is compared, and its bias corrected", async () => {
  const { float, model, x } = await toyModel();
  const { layers: [fc1, fc2] } = await compareModels(float, model, [x]);
  assertEquals([fc1.layer, fc1.kind, fc2.layer], ["fc1", "ToyLinear", "fc2"]);
  for (const { weightSqnr, inputClipped, weightRangeUsed } of [fc1, fc2]) {
    assert(weightSqnr! > 10 && weightSqnr! < 30, `weight ${weightSqnr}`);
    assertEquals(inputClipped, 0);
    assert(weightRangeUsed! > 0.9);
  }
  assert(fc1.inputRangeUsed! > 0.9);
  assertEquals(fc2.inputRangeUsed, 0.5); // behind the ReLU
  const { sqnrBefore, sqnrAfter } = await correctBias_(model, float, [x]);
  assert(sqnrAfter > sqnrBefore);
});

eachBackend("a layer of a new kind shows itself", async (device) => {
  const { model } = await toyModel();
  const [, layer] = model.namedChildren()[0];
  const line = `ToyLinear(64 → 48, input int8, weight int4, with bias, ${device})`;
  assertEquals(Deno.inspect(layer), line);
  // deno-lint-ignore no-explicit-any -- a symbol that the types do not know
  const show = (value: any) => value[Symbol.for("Jupyter.display")]();
  const { "text/html": html } = await show(layer);
  assertStringIncludes(html, line);
  assertStringIncludes(html, "1 a row");
  assertStringIncludes((await show(model))["text/html"], "int4");
});

Deno.test("what computes something else than its kind says is not taken for it", async () => {
  await init({ device: "cpu" });
  const { model, x } = await toyModel();
  class Doubled extends ToyLinear {
    override forward(y: Tensor): Tensor {
      return super.forward(super.forward(y));
    }
  }
  const { codes, bias } = model.namedChildren()[0][1] as ToyLinear;
  const other = new Sequential({ fc1: new Doubled(codes, bias) });
  await assertRejects(() => saveQuantizedModel(other), Error, "registerLayerKind");
  await assertRejects(() => exportOnnx(other, x), Error);
  assertThrows(
    () => registerLayerKind({ ...kind, type: Doubled } as LayerKind<Doubled>),
    Error,
    "registerLayerKind: there is a kind called ToyLinear already, of ToyLinear; give another name",
  );
});

class Head extends Linear {}
class ObservedHead extends ObservedLinear {}
class QuantizedHead extends QuantizedLinear {
  static override readonly name: string = "QuantizedHead";
}
const head: StaticLayer<Head, ObservedHead, QuantizedHead> = {
  floatType: Head,
  observedType: ObservedHead,
  type: QuantizedHead,
  channelDim: -1,
  build: (parts) => new QuantizedHead(parts),
};
registerStaticLayer(head);

eachBackend("a layer that is registered in one call goes all the way", async (device) => {
  manualSeed(62);
  const make = () =>
    new Sequential({ fc: new Linear(16, 12, { device }), head: new Head(12, 4, { device }) });
  const float = make();
  const model = deepcopy(float);
  const x = randn([8, 16], { device });
  const observer = minMax("ASYMMETRIC", uint8);
  assertEquals(insertObservers_(model, observer, observer), ["fc", "head"]);
  assert(model.namedChildren()[1][1] instanceof ObservedHead);
  model.forward(x).dispose();
  await quantize_(model, new StaticQuantConfig(uint8), isObserved);
  assert(model.namedChildren()[1][1] instanceof QuantizedHead);
  const { layers } = await compareModels(float, model, [x]);
  assertEquals(layers.map(({ layer, kind }) => [layer, kind]), [
    ["fc", "QuantizedLinear"],
    ["head", "QuantizedHead"],
  ]);
  assertEquals((await correctBias_(model, float, [x])).layers.length, 2);
  const ranked = await sensitivity(float, [x], new StaticQuantConfig(uint8));
  assertEquals(ranked.layers.length, 2);
  const loaded = make();
  loadQuantizedModel_(loaded, await saveQuantizedModel(model));
  assert(loaded.namedChildren()[1][1] instanceof QuantizedHead);
  const expected = await model.forward(x).data();
  assertEquals(await loaded.forward(x).data(), expected);
  if (device === "cpu") assertClose(await runFile(await exportOnnx(model, x), x), expected, 0.01);
  const message = "registerStaticLayer: there is a kind called QuantizedHead already";
  class Other extends QuantizedLinear {
    static override readonly name: string = "QuantizedHead";
  }
  assertThrows(() => registerStaticLayer({ ...head, type: Other }), Error, message);
  assertThrows(() => registerStaticLayer(head), Error, "Head has a family already");
});
