/** What torchao 0.18 makes of layers with its configs of fixed int8 inputs, SmoothQuant, and narrow ranges. */
import { assert, assertEquals } from "@std/assert";
import {
  chooseQParamsAffine,
  dequantizeAffine,
  float32,
  getBlockSize,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  type Int8StaticActivationInt8WeightOptions,
  Linear,
  LinearActivationQuantizedTensor,
  MappingType,
  PerRow,
  PerTensor,
  QuantizationStep,
  quantize_,
  quantizeAffine,
  QuantizedLinear,
  Sequential,
  SmoothQuantConfig,
  type StaticInputQuantizer,
  type Tensor,
  ZeroPointDomain,
} from "../../mod.ts";
import { quantizeInput } from "../../lib/quantization/tensors/input_quantizer.ts";
import { describeLayer } from "../../lib/quantization/layers/layer_kinds.ts";
import { eachBackend, few } from "../backends.ts";
import { dtypeOf, granularityOf, reference } from "./reference.ts";

type GranularitySpec = Parameters<typeof granularityOf>[0];

interface Case {
  name: string;
  what: "static" | "smooth" | "domain" | "dynamic";
  granularity: [GranularitySpec, GranularitySpec];
  actMappingType: MappingType;
  reduceRange: boolean;
  inputDtype: string;
  alpha: number | null;
  base: "dynamic" | "static" | "asymmetric";
  domain: "FLOAT" | "NONE" | "KEEP" | "INT";
  quantMin: number;
  quantMax: number;
}

const recorded = reference<Case>("torchao-configs");
const casesOf = (what: Case["what"]) => recorded.cases.filter((c) => c.what === what);

/** Fails unless the bits, and not the shape, are those recorded. */
async function sameBits(t: Tensor, name: string): Promise<void> {
  assertEquals([...await t.bytes()], [...recorded.entry(name).bytes], name);
}

/** How far a product may be off: its sums are exact, but scales and biases are rounded in another order. */
const SLACK: Record<string, number> = { float32: 1e-5, float16: 4e-3, bfloat16: 3e-2 };

/** Fails unless the numbers are near those recorded, beside the largest of these. */
async function near(t: Tensor, name: string, dtype: string): Promise<void> {
  const expected = await recorded.load(name, "cpu").data();
  const actual = await t.data();
  const largest = Math.max(...Array.from(expected, Math.abs));
  const worst = Math.max(...Array.from(expected, (v, i) => Math.abs(v - actual[i])));
  assert(worst <= SLACK[dtype] * largest, `${name}: ${worst} off, of ${largest}`);
}

/** A model of the layer that was recorded. */
function modelOf(name: string, device: "cpu" | "webgpu"): Sequential {
  const weight = recorded.load(`${name}.w`, device);
  const bias = recorded.has(`${name}.bias`) ? recorded.load(`${name}.bias`, device) : null;
  const [n, k] = weight.shape;
  return new Sequential({ fc: new Linear(k, n, { weight, bias }) });
}

const layerOf = (model: Sequential) => model.namedChildren()[0][1];

async function checkLayer(model: Sequential, c: Case, device: "cpu" | "webgpu"): Promise<void> {
  const { weight, input } = describeLayer(layerOf(model))!;
  await sameBits(weight.scale, `${c.name}.weight_scale`);
  using integers = weight.intData();
  await sameBits(integers, `${c.name}.weight_q`);
  using x = recorded.load(`${c.name}.x1`, device);
  if (recorded.has(`${c.name}.input_q`)) {
    using q = quantizeInput(input!, x);
    using bytes = q.intData();
    await sameBits(bytes, `${c.name}.input_q`);
  }
  await near(model.forward(x), `${c.name}.y`, c.inputDtype);
}

eachBackend("layers with fixed scales of inputs are those of torchao 0.18", async (device) => {
  assertEquals(casesOf("static").length, 48);
  for (const c of few(casesOf("static"), 6)) {
    const zeroPoint = `${c.name}.zero_point`;
    const options: Int8StaticActivationInt8WeightOptions = {
      granularity: [granularityOf(c.granularity[0]), granularityOf(c.granularity[1])],
      actMappingType: c.actMappingType,
      reduceRange: c.reduceRange,
    };
    const model = modelOf(c.name, device);
    const config = new Int8StaticActivationInt8WeightConfig({
      ...options,
      actQuantScale: recorded.load(`${c.name}.scale`, device),
      actQuantZeroPoint: recorded.has(zeroPoint) ? recorded.load(zeroPoint, device) : undefined,
    });
    assertEquals(await quantize_(model, config), ["fc"]);
    await checkLayer(model, c, device);
    if (c.granularity[0].type !== "PerTensor") {
      assert((layerOf(model) as Linear).weight instanceof LinearActivationQuantizedTensor);
      continue;
    }
    // The same by observers.
    const observed = modelOf(c.name, device);
    await quantize_(
      observed,
      new Int8StaticActivationInt8WeightConfig({ ...options, step: "prepare" }),
    );
    for (const batch of ["x0", "x1"]) observed.forward(recorded.load(`${c.name}.${batch}`, device));
    const convert = new Int8StaticActivationInt8WeightConfig({ ...options, step: "CONVERT" });
    assertEquals(await quantize_(observed, convert), ["fc"]);
    const layer = layerOf(observed) as QuantizedLinear;
    assert(layer instanceof QuantizedLinear);
    await sameBits(layer.actScale, `${c.name}.scale`);
    if (recorded.has(zeroPoint)) await sameBits(layer.actZeroPoint, zeroPoint);
    await checkLayer(observed, c, device);
  }
});

eachBackend(
  "layers whose inputs are quantized as they come are those of torchao 0.18",
  async (device) => {
    assertEquals(casesOf("dynamic").length, 24);
    for (const c of few(casesOf("dynamic"), 6)) {
      const model = modelOf(c.name, device);
      const config = new Int8DynamicActivationInt8WeightConfig({
        granularity: [granularityOf(c.granularity[0]), granularityOf(c.granularity[1])],
        actMappingType: c.actMappingType,
        reduceRange: c.reduceRange,
      });
      assertEquals(await quantize_(model, config), ["fc"]);
      const { input } = describeLayer(layerOf(model))!;
      using q = quantizeInput(input!, recorded.load(`${c.name}.x1`, device));
      await sameBits(q.scale, `${c.name}.scale`);
      const zeroPoint = `${c.name}.zero_point`;
      assertEquals(q.zeroPoint !== null, recorded.has(zeroPoint));
      if (q.zeroPoint) {
        assertEquals(
          await q.zeroPoint.data(),
          Int32Array.from(await recorded.load(zeroPoint, device).data()),
        );
      }
      await checkLayer(model, c, device);
    }
  },
);

eachBackend("zero points of each domain keep to a range of one's own", async (device) => {
  assertEquals(casesOf("domain").length, 96);
  for (const c of few(casesOf("domain"), 6)) {
    const { quantMin, quantMax } = c;
    using x = recorded.load(`${c.name}.x`, device);
    const block = getBlockSize(x.shape, new PerRow());
    const zeroPointDomain = c.domain === "KEEP" ? ZeroPointDomain.INT : ZeroPointDomain[c.domain];
    const mapping = c.domain === "NONE" ? MappingType.SYMMETRIC : MappingType.ASYMMETRIC;
    const at = { zeroPointDomain, quantMin, quantMax };
    const [scale, zeroPoint] = await chooseQParamsAffine(x, mapping, block, int8, {
      ...at,
      eps: 1e-4,
      scaleDtype: float32,
      zeroPointDtype: c.domain === "FLOAT" ? float32 : int8,
      preserveZero: c.domain === "KEEP" ? false : undefined,
    });
    await sameBits(scale, `${c.name}.scale`);
    assertEquals(zeroPoint === null, c.domain === "NONE");
    if (zeroPoint) await sameBits(zeroPoint, `${c.name}.zero_point`);
    using q = quantizeAffine(x, block, scale, zeroPoint, int8, at);
    await sameBits(q, `${c.name}.q`);
    const outputDtype = dtypeOf(c.inputDtype);
    using dq = dequantizeAffine(q, block, scale, zeroPoint, int8, { ...at, outputDtype });
    await sameBits(dq, `${c.name}.dq`);
  }
});

/**
 * Fails unless numbers are those recorded, but for the last bits of float32: torch's powers, even with the exponent
 * of a half, are a unit or two off.
 */
async function sameFactors(t: Tensor, name: string): Promise<void> {
  if (recorded.entry(name).dtype !== "F32") return await sameBits(t, name);
  const expected = await recorded.load(name, "cpu").data();
  const actual = await t.data();
  for (const [i, value] of expected.entries()) {
    assert(Math.abs(actual[i] - value) <= 6e-7 * value, `${name}: ${actual[i]} for ${value}`);
  }
}

eachBackend("SmoothQuant's steps make what torchao 0.18's make", async (device) => {
  assertEquals(casesOf("smooth").length, 27);
  for (const c of few(casesOf("smooth"), 6)) {
    const asymmetric = c.base === "asymmetric";
    const baseConfig = c.base === "dynamic"
      ? new Int8DynamicActivationInt8WeightConfig()
      : new Int8StaticActivationInt8WeightConfig({
        granularity: [new PerTensor(), new PerRow()],
        actMappingType: asymmetric ? MappingType.ASYMMETRIC : MappingType.SYMMETRIC,
      });
    const model = modelOf(c.name, device);
    const { alpha } = c;
    await quantize_(model, new SmoothQuantConfig({ baseConfig, step: "prepare", alpha }));
    for (const batch of ["x0", "x1"]) model.forward(recorded.load(`${c.name}.${batch}`, device));
    const convert = new SmoothQuantConfig({ baseConfig, step: QuantizationStep.CONVERT });
    assertEquals(await quantize_(model, convert), ["fc"]);
    const { weight, input } = describeLayer(layerOf(model))!;
    const { preScale } = input as StaticInputQuantizer;
    if (alpha === null) assert(preScale === undefined);
    else await sameFactors(preScale!, `${c.name}.pre_scale`);
    if (input!.kind === "static") {
      await sameFactors(input!.scale, `${c.name}.scale`);
      if (asymmetric) await sameBits(input!.zeroPoint!, `${c.name}.zero_point`);
    }
    await sameFactors(weight.scale, `${c.name}.weight_scale`);
    using integers = weight.intData();
    await sameBits(integers, `${c.name}.weight_q`);
    await near(model.forward(recorded.load(`${c.name}.x1`, device)), `${c.name}.y`, c.inputDtype);
  }
});
