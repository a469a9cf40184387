/** Models of layers that are not quantized themselves, with layers in them that are. */
import { assert, assertEquals } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  BatchNorm1d,
  compareModels,
  compile,
  computeError,
  Conv1d,
  deepcopy,
  type Device,
  Embedding,
  insertObservers_,
  int32,
  Int8DynamicActivationInt8WeightConfig,
  isLinear,
  isObservedLinear,
  LayerNorm,
  Linear,
  loadQuantizedModel_,
  LSTM,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  quantize_,
  QuantizedLinear,
  saveQuantizedModel,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  tensor,
  TransformerEncoder,
  TransformerEncoderLayer,
  transpose,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

class Transposed extends Module {
  override forward(x: Tensor): Tensor {
    return transpose(x, 1, 2);
  }
}

function model(device: Device): Sequential {
  const layer = new TransformerEncoderLayer(16, 2, {
    dimFeedforward: 32,
    batchFirst: true,
    activation: "gelu",
    device,
  });
  return new Sequential({
    embedding: new Embedding(50, 16, { device }),
    encoder: new TransformerEncoder(layer, 2, { norm: new LayerNorm(16, { device }) }),
    columns: new Transposed(),
    conv: new Conv1d(16, 16, 3, { padding: 1, device }),
    bn: new BatchNorm1d(16, { device }),
    rows: new Transposed(),
    lstm: new LSTM(16, 12, { batchFirst: true, device }),
    head: new Linear(12, 4, { device }),
  });
}

const LINEAR = [0, 1].flatMap((i) =>
  ["self_attn.out_proj", "linear1", "linear2"].map((name) => `encoder.layers.${i}.${name}`)
).concat("head");

function quantizedNames(m: Module): string[] {
  return m.namedModules().filter(([, module]) => module instanceof QuantizedLinear)
    .map(([name]) => name);
}

const ids = (device: Device) =>
  tensor(Int32Array.from({ length: 21 }, (_, i) => i * 7 % 50), {
    shape: [3, 7],
    dtype: int32,
    device,
  });

eachBackend(
  "the Linear layers of a transformer are observed, quantized and compared",
  async (device) => {
    const float = model(device);
    const m = deepcopy(float);
    const observer = (granularity: PerTensor | PerAxis) =>
      new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
    insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)), isLinear);
    const x = ids(device);
    const y = float.forward(x);
    assertEquals(await m.forward(x).data(), await y.data());
    await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
    assertEquals(quantizedNames(m), LINEAR);
    const z = m.forward(x);
    assert(await computeError(y, z) > 20);
    const { layers } = await compareModels(float, m, [x]);
    assertEquals(layers.map(({ layer }) => layer).sort(), [...LINEAR].sort());
    const other = model(device);
    await loadQuantizedModel_(other, await saveQuantizedModel(m));
    assertEquals(await other.forward(x).data(), await z.data());
  },
);

Deno.test("a quantized model of such layers compiles to the same bits", async () => {
  const m = model("webgpu");
  await quantize_(m, new Int8DynamicActivationInt8WeightConfig());
  assertEquals(m.namedModules().length, model("webgpu").namedModules().length);
  const x = ids("webgpu");
  const expected = await m.forward(x).data();
  const compiled = compile(m);
  for (let i = 0; i < 2; i++) assertEquals(await compiled.forward(x).data(), expected);
});
