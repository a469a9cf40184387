/** What torchao 0.18 answers: domains of zero points, defaults, and the int8 configs. */
import { assert, assertEquals } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  type AffineQuantizedTensor,
  chooseQParamsAffine,
  type ChooseQParamsOptions,
  dequantizeAffine,
  type DType,
  float32,
  getBlockSize,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  type LinearActivationQuantizedTensor,
  MappingType,
  PerGroup,
  quantize_,
  quantizeAffine,
  Sequential,
  type Tensor,
  toAffineQuantizedPerToken,
  ZeroPointDomain,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { dtypeOf, granularityOf, reference } from "./reference.ts";

interface Case {
  name: string;
  what: "domain" | "observer" | "weight" | "activation";
  domain: "FLOAT" | "NONE" | "KEEP";
  mappingType: MappingType;
  targetDtype: string;
  inputDtype: string;
  granularity: { type: string; axis?: number; dim?: number; size?: number[]; groupSize?: number };
  blockSize: number[];
  keepdim: boolean;
  quantMin: number | null;
  quantMax: number | null;
}

const recorded = reference<Case>("torchao-0.18");
const casesOf = (what: Case["what"]) => recorded.cases.filter((c) => c.what === what);

/** Fails unless the bits, and not the shape, are those recorded. */
async function sameBits(t: Tensor, name: string): Promise<void> {
  const { bytes } = recorded.entry(name);
  const actual = await t.bytes();
  assertEquals([...actual], [...bytes], name);
}

eachBackend("zero points of each domain agree bit for bit with torchao 0.18", async (device) => {
  assertEquals(casesOf("domain").length, 108);
  for (const c of casesOf("domain")) {
    using x = recorded.load(`${c.name}.x`, device);
    const target = dtypeOf(c.targetDtype) as DType;
    const block = getBlockSize(x.shape, granularityOf(c.granularity));
    assertEquals(block, c.blockSize);
    const domain = c.domain === "KEEP" ? ZeroPointDomain.INT : ZeroPointDomain[c.domain];
    const mapping = c.domain === "NONE" ? MappingType.SYMMETRIC : MappingType.ASYMMETRIC;
    const options: ChooseQParamsOptions = {
      zeroPointDomain: domain,
      ...(c.domain === "KEEP" ? { preserveZero: false } : {}),
    };
    const [scale, zeroPoint] = await chooseQParamsAffine(x, mapping, block, target, options);
    await recorded.same(scale, `${c.name}.scale`);
    assertEquals(zeroPoint === null, c.domain === "NONE");
    if (zeroPoint) await recorded.same(zeroPoint, `${c.name}.zero_point`);
    const at = { zeroPointDomain: domain };
    using q = quantizeAffine(x, block, scale, zeroPoint, target, at);
    await sameBits(q, `${c.name}.q`);
    using dq = dequantizeAffine(q, block, scale, zeroPoint, target, {
      ...at,
      outputDtype: x.dtype,
    });
    await sameBits(dq, `${c.name}.dq`);
  }
});

eachBackend("observers give dtypes, shapes and zeros as torchao 0.18", async (device) => {
  assertEquals(casesOf("observer").length, 180);
  for (const c of casesOf("observer")) {
    const observer = new AffineQuantizedMinMaxObserver(c.mappingType, int8, {
      granularity: granularityOf(c.granularity),
      keepdim: c.keepdim,
      quantMin: c.quantMin ?? undefined,
      quantMax: c.quantMax ?? undefined,
    });
    for (const batch of ["x0", "x1"]) observer.forward(recorded.load(`${c.name}.${batch}`, device));
    const [scale, zeroPoint] = await observer.calculateQParams();
    await recorded.same(scale, `${c.name}.scale`);
    await recorded.same(zeroPoint, `${c.name}.zero_point`);
  }
});

eachBackend("int8 weights of every float dtype are those of torchao 0.18", async (device) => {
  for (const c of casesOf("weight")) {
    const granularity = granularityOf(c.granularity);
    const groupSize = granularity instanceof PerGroup ? granularity.groupSize : undefined;
    const configs = [
      new Int8WeightOnlyConfig({ groupSize }),
      ...(groupSize ? [] : [new Int8DynamicActivationInt8WeightConfig()]),
    ];
    for (const config of configs) {
      const fc = new Linear(64, 6, { bias: false, device });
      fc.weight = recorded.load(`${c.name}.w`, device);
      const m = new Sequential({ fc });
      await quantize_(m, config);
      const { weight } = m.namedChildren()[0][1] as Linear;
      const own = (weight as LinearActivationQuantizedTensor).originalWeight ?? weight;
      const { scale } = own as AffineQuantizedTensor;
      assertEquals(scale.dtype, float32);
      await sameBits(scale, `${c.name}.scale`);
      using q = (own as AffineQuantizedTensor).intData();
      await sameBits(q, `${c.name}.q`);
    }
  }
});

eachBackend("inputs quantized as they come are those of torchao 0.18", async (device) => {
  for (const c of casesOf("activation")) {
    using x = recorded.load(`${c.name}.x`, device);
    using q = toAffineQuantizedPerToken(x);
    await sameBits(q.scale, `${c.name}.scale`);
    using integers = q.intData();
    await sameBits(integers, `${c.name}.q`);
    assert(q.zeroPoint === null);
  }
});
