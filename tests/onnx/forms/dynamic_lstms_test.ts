/** LSTMs on bytes in models with fixed ranges. */
import { assertEquals, assertGreater } from "@std/assert";
import {
  compareOnnx,
  exportOnnx,
  init,
  Linear,
  loadOnnx,
  LSTM,
  quantizeStatic,
  type QuantizeStaticOptions,
  randn,
  Sequential,
} from "../../../mod.ts";

await init({ device: "cpu" });

Deno.test("quantizeStatic: LSTMs get their ranges while they run where that is asked for", async () => {
  const layers = { lstm: new LSTM(12, 16, { batchFirst: true }), head: new Linear(16, 4) };
  const float = await loadOnnx(await exportOnnx(new Sequential(layers), randn([2, 6, 12])));
  const samples = Array.from({ length: 4 }, () => ({ input: randn([2, 6, 12]) }));
  const lstms = async (options: QuantizeStaticOptions) => {
    const { model, nodes } = await quantizeStatic(float, samples, options);
    const { outputs } = await compareOnnx(float, model, samples);
    assertGreater(outputs[0].sqnr, 30);
    const told = nodes.filter(({ opType }) => opType === "LSTM").map(({ quantized }) => quantized);
    const written = model.graph.node.map(({ opType }) => opType)
      .filter((opType) => opType.endsWith("LSTM"));
    return { told, written };
  };
  assertEquals(await lstms({}), { told: [false], written: ["LSTM"] });
  const dynamic = { told: [true], written: ["DynamicQuantizeLSTM"] };
  assertEquals(await lstms({ dynamicLstms: true }), dynamic);
  const { name } = float.graph.node.find(({ opType }) => opType === "LSTM")!;
  const left = { dynamicLstms: true, nodesToExclude: [name] };
  assertEquals((await lstms(left)).written, ["LSTM"]);
});
