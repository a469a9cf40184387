/** What torchao 0.18 makes of numbers and layers in 8-bit floats; see testdata/torchao_configs.py. */
import { assert, assertEquals } from "@std/assert";
import {
  type AOBaseConfig,
  chooseScaleFloat8,
  dequantizeAffine,
  type DType,
  Float8DynamicActivationFloat8WeightConfig,
  Float8StaticActivationFloat8WeightConfig,
  Float8WeightOnlyConfig,
  getBlockSize,
  Linear,
  PerRow,
  PerTensor,
  quantize_,
  quantizeAffineFloat8,
  Sequential,
  type Tensor,
  toAffineQuantizedFloat8,
} from "../../mod.ts";
import { describeLayer } from "../../lib/quantization/layers/layer_kinds.ts";
import { quantizeInput } from "../../lib/quantization/tensors/input_quantizer.ts";
import { eachBackend, few } from "../backends.ts";
import { dtypeOf, granularityOf, reference } from "./reference.ts";

interface Case {
  name: string;
  what: "numbers" | "ties" | "layer";
  targetDtype: string;
  granularity: Parameters<typeof granularityOf>[0];
  valueLb: number | null;
  valueUb: number | null;
  how: "dynamic" | "static" | "weight";
  activationDtype: string;
  weightDtype: string;
  inputDtype: string;
}

const recorded = reference<Case>("torchao-float8");
const casesOf = (what: Case["what"]) => recorded.cases.filter((c) => c.what === what);

/** Fails unless the bits, and not the shape, are those recorded. */
async function sameBits(t: Tensor, name: string): Promise<void> {
  assertEquals([...await t.bytes()], [...recorded.entry(name).bytes], name);
}

eachBackend("8-bit floats and their scales are those of torchao 0.18", async (device) => {
  assertEquals(casesOf("numbers").length, 128);
  for (const c of few(casesOf("numbers"), 6)) {
    using x = recorded.load(`${c.name}.x`, device);
    const dtype = dtypeOf(c.targetDtype)!;
    const granularity = granularityOf(c.granularity);
    const block = getBlockSize(x.shape, granularity);
    const bounds = { valueLb: c.valueLb ?? undefined, valueUb: c.valueUb ?? undefined };
    const scale = await chooseScaleFloat8(x, block, dtype, bounds);
    await sameBits(scale, `${c.name}.scale`);
    using q = quantizeAffineFloat8(x, block, scale, dtype);
    await sameBits(q, `${c.name}.q`);
    using dq = dequantizeAffine(q, block, scale, null, dtype, { outputDtype: x.dtype });
    await sameBits(dq, `${c.name}.dq`);
    if (!(granularity instanceof PerTensor || granularity instanceof PerRow)) continue;
    const perRow = granularity instanceof PerRow;
    using whole = toAffineQuantizedFloat8(x, { dtype, perRow, ...bounds });
    await sameBits(whole.scale, `${c.name}.scale`);
    using bytes = whole.intData();
    await sameBits(bytes, `${c.name}.q`);
  }
});

eachBackend("quotients halfway between two 8-bit floats go where torchao's go", async (device) => {
  assertEquals(casesOf("ties").length, 6);
  for (const c of few(casesOf("ties"), 6)) {
    using x = recorded.load(`${c.name}.x`, device);
    using scale = recorded.load(`${c.name}.scale`, device);
    using q = quantizeAffineFloat8(x, x.shape, scale, dtypeOf(c.targetDtype)!);
    await sameBits(q, `${c.name}.q`);
  }
});

/** How far a product may be off, whose sums are added in another order; then rounded to the dtype. */
const SLACK: Record<string, number> = { float32: 1e-5, float16: 2e-3, bfloat16: 2e-2 };

/** The config of a case, and the steps that come before. */
function configOf(c: Case, step?: "prepare" | "convert"): AOBaseConfig {
  const granularity = granularityOf(c.granularity);
  const [activationDtype, weightDtype] = [c.activationDtype, c.weightDtype].map((name) =>
    dtypeOf(name) as DType
  );
  if (c.how === "weight") return new Float8WeightOnlyConfig({ weightDtype, granularity });
  return c.how === "dynamic"
    ? new Float8DynamicActivationFloat8WeightConfig({ activationDtype, weightDtype, granularity })
    : new Float8StaticActivationFloat8WeightConfig({ activationDtype, weightDtype, step });
}

eachBackend("float8 layers hold and give what torchao's do", async (device) => {
  assertEquals(casesOf("layer").length, 36);
  for (const c of few(casesOf("layer"), 6)) {
    const weight = recorded.load(`${c.name}.w`, device);
    const bias = recorded.has(`${c.name}.bias`) ? recorded.load(`${c.name}.bias`, device) : null;
    const model = new Sequential({ fc: new Linear(48, 16, { weight, bias }) });
    const [x0, x1] = ["x0", "x1"].map((x) => recorded.load(`${c.name}.${x}`, device));
    if (c.how === "static") {
      await quantize_(model, configOf(c, "prepare"));
      for (const x of [x0, x1]) model.forward(x).dispose();
      assertEquals(await quantize_(model, configOf(c, "convert")), ["fc"]);
    } else assertEquals(await quantize_(model, configOf(c)), ["fc"]);
    const { weight: w, input } = describeLayer(model.namedChildren()[0][1])!;
    await sameBits(w.scale, `${c.name}.weight_scale`);
    using bytes = w.intData();
    await sameBits(bytes, `${c.name}.weight_q`);
    if (input) {
      using q = quantizeInput(input, x1);
      await sameBits(q.scale, `${c.name}.input_scale`);
      using qbytes = q.intData();
      await sameBits(qbytes, `${c.name}.input_q`);
    }
    const y = await model.forward(x1).data();
    const expected = await recorded.load(`${c.name}.y`, "cpu").data();
    const largest = Math.max(...Array.from(expected, Math.abs));
    const worst = Math.max(...Array.from(expected, (v, i) => Math.abs(v - y[i])));
    assert(worst <= SLACK[c.inputDtype] * largest, `${c.name}: ${worst} off, of ${largest}`);
  }
});
