import { assertEquals } from "@std/assert";
import {
  chooseQParamsAffine,
  dequantizeAffine,
  getBlockSize,
  type MappingType,
  quantizeAffine,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { dtypeOf, granularityOf, reference } from "./reference.ts";

interface Case {
  name: string;
  shape: number[];
  inputDtype: string;
  targetDtype: string;
  mappingType: MappingType;
  granularity: { type: string; axis?: number };
  blockSize: number[];
  quantMin: number | null;
  quantMax: number | null;
  eps: number | null;
  scaleDtype: string | null;
  zeroPointDtype: string;
}

const recorded = reference<Case>("torchao-primitives");

eachBackend("primitives agree bit for bit with torchao on all recorded cases", async (device) => {
  assertEquals(recorded.cases.length, 160);
  for (const c of recorded.cases) {
    using x = recorded.load(`${c.name}.x`, device);
    assertEquals(x.dtype, dtypeOf(c.inputDtype));
    const block = getBlockSize(x.shape, granularityOf(c.granularity));
    assertEquals(block, c.blockSize);
    const target = dtypeOf(c.targetDtype)!;
    const range = { quantMin: c.quantMin ?? undefined, quantMax: c.quantMax ?? undefined };
    const [scale, zeroPoint] = await chooseQParamsAffine(x, c.mappingType, block, target, {
      ...range,
      eps: c.eps ?? undefined,
      scaleDtype: dtypeOf(c.scaleDtype),
      zeroPointDtype: dtypeOf(c.zeroPointDtype),
    });
    await recorded.same(scale, `${c.name}.scale`);
    await recorded.same(zeroPoint, `${c.name}.zero_point`);
    using q = quantizeAffine(x, block, scale, zeroPoint, target, range);
    await recorded.same(q, `${c.name}.q`);
    if (scale.dtype.name === "float32") {
      using dq = dequantizeAffine(q, block, scale, zeroPoint, target, range);
      await recorded.same(dq, `${c.name}.dq`);
    }
  }
});
