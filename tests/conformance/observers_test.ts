import { assertEquals } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMSEObserver,
  type MappingType,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { dtypeOf, granularityOf, reference } from "./reference.ts";

interface Case {
  name: string;
  observer: string;
  batches: number;
  mappingType: MappingType;
  targetDtype: string;
  granularity: { type: string; axis?: number };
  eps: number;
  steps: number | null;
  scaleDtype: string;
  zeroPointDtype: string;
}

const recorded = reference<Case>("torchao-observers");

for (const Observer of [AffineQuantizedMinMaxObserver, AffineQuantizedMSEObserver]) {
  eachBackend(`${Observer.name} agrees bit for bit with torchao's`, async (device) => {
    const cases = recorded.cases.filter((c) => c.observer === Observer.name);
    assertEquals(cases.length, 12);
    for (const c of cases) {
      const observer = new Observer(c.mappingType, dtypeOf(c.targetDtype)!, {
        granularity: granularityOf(c.granularity),
        eps: c.eps,
        scaleDtype: dtypeOf(c.scaleDtype),
        zeroPointDtype: dtypeOf(c.zeroPointDtype),
        ...(c.steps === null ? {} : { steps: c.steps }),
      });
      for (let i = 0; i < c.batches; i++) {
        observer.forward(recorded.load(`${c.name}.x${i}`, device));
      }
      const [min, max] = await observer.minMax();
      await recorded.same(min, `${c.name}.min`);
      await recorded.same(max, `${c.name}.max`);
      const [scale, zeroPoint] = await observer.calculateQParams();
      await recorded.same(scale, `${c.name}.scale`);
      await recorded.same(zeroPoint, `${c.name}.zero_point`);
    }
  });
}
