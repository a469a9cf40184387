/** Inputs quantized as they come, with one scale for all or with zero points. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  compareModels,
  compile,
  deepcopy,
  dynamicInputQuantizer,
  exportOnnx,
  Int8DynamicActivationInt8WeightConfig,
  type Int8DynamicActivationInt8WeightOptions,
  Linear,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  PerGroup,
  PerTensor,
  quantize_,
  randn,
  ReLU,
  SafetensorsError,
  saveQuantizedModel,
  Sequential,
  type Tensor,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const build = () =>
  new Sequential({ fc1: new Linear(40, 24), relu: new ReLU(), fc2: new Linear(24, 8) });

const numbers = async (t: Tensor) => Array.from(await t.data());

const { ASYMMETRIC } = MappingType;
const options: readonly Int8DynamicActivationInt8WeightOptions[] = [
  { reduceRange: true },
  { granularity: new PerTensor() },
  { actMappingType: ASYMMETRIC },
  { actMappingType: ASYMMETRIC, granularity: new PerTensor(), reduceRange: true },
];

eachBackend("every way is saved, loaded, compared, and compiled on WebGPU", async (device) => {
  manualSeed(30);
  const float = build();
  const x = randn([2, 3, 40]);
  for (const each of options) {
    const model = deepcopy(float);
    await quantize_(model, new Int8DynamicActivationInt8WeightConfig(each));
    const expected = await numbers(model.forward(x));
    const loaded = build();
    loadQuantizedModel_(loaded, await saveQuantizedModel(model));
    assertEquals(await numbers(loaded.forward(x)), expected);
    assertEquals(String(loaded), String(model));
    assert((await compareModels(float, model, [x])).outputSqnr > 28);
    if (device === "webgpu") assertEquals(await numbers(compile(model).forward(x)), expected);
  }
});

eachBackend("the ways are told apart where a model is printed", async () => {
  const names = [];
  for (const each of options) {
    const model = new Sequential({ fc: new Linear(8, 4) });
    await quantize_(model, new Int8DynamicActivationInt8WeightConfig(each));
    names.push(/activation=(\w+)/.exec(String(model))![1]);
  }
  assertEquals(names, [
    "int8SymmPerTokenReducedRangeQuant",
    "int8SymmPerTensorQuant",
    "int8AsymmPerTokenQuant",
    "int8AsymmPerTensorReducedRangeQuant",
  ]);
});

eachBackend(
  "what a file says of inputs is checked, and what has no ONNX form is named",
  async () => {
    manualSeed(31);
    const model = build();
    await quantize_(model, new Int8DynamicActivationInt8WeightConfig(options[2]));
    const text = Array.from(await saveQuantizedModel(model), (b) => String.fromCharCode(b)).join(
      "",
    );
    const [from, to] = [`asymmetric\\":true`, `asymmetric\\":null`];
    assert(text.includes(from));
    const file = Uint8Array.from(text.replace(from, to), (c) => c.charCodeAt(0));
    assertThrows(() => loadQuantizedModel_(build(), file), SafetensorsError, "the input of fc1");
    await assertRejects(() => exportOnnx(model, [randn([1, 40])]), TypeError, "found as it comes");
    assertThrows(
      () => new Int8DynamicActivationInt8WeightConfig({ granularity: new PerGroup(8) }),
      RangeError,
      "PerTensor or PerRow",
    );
    const wrong = { actMappingType: MappingType.SYMMETRIC_NO_CLIPPING_ERR };
    assertThrows(() => new Int8DynamicActivationInt8WeightConfig(wrong), TypeError, "ASYMMETRIC");
    assertThrows(() => dynamicInputQuantizer({ perTensr: true } as never), TypeError, "perTensor");
  },
);
