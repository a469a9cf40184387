import { assert, assertEquals } from "@std/assert";
import {
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMovingAverageMinMaxObserver,
  chooseQParamsAffineWithMinMax,
  dequantizeAffine,
  type Device,
  finfo,
  float32,
  type MappingType,
  PerAxis,
  PerTensor,
  quantizeAffine,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { dtypeOf, reference } from "./reference.ts";

interface Case {
  name: string;
  kind: string;
  observer: string;
  mappingType: MappingType;
  targetDtype: string;
  batches: number;
  averagingConstant: number | null;
}

const recorded = reference<Case>("torchao-statistics");
const eps = finfo(float32).eps;

function batches(c: Case, device: Device): Tensor[] {
  return Array.from({ length: c.batches }, (_, i) => recorded.load(`${c.name}.x${i}`, device));
}

function selected(...observers: string[]): Case[] {
  return recorded.cases.filter((c) => observers.includes(c.observer));
}

/** Numbers of a tensor or of a recorded one, whatever the shape. */
async function numbers(t: Tensor | string): Promise<number[]> {
  return Array.from(await (typeof t === "string" ? recorded.load(t, "cpu") : t).data());
}

eachBackend("min-max observers agree bit for bit with PyTorch's", async (device) => {
  const cases = selected("MinMaxObserver", "PerChannelMinMaxObserver");
  assertEquals(cases.length, 20);
  for (const c of cases) {
    const granularity = c.observer === "MinMaxObserver" ? new PerTensor() : new PerAxis(0);
    const observer = new AffineQuantizedMinMaxObserver(c.mappingType, dtypeOf(c.targetDtype)!, {
      granularity,
      eps,
    });
    for (const x of batches(c, device)) observer.forward(x);
    const [min, max] = await observer.minMax();
    const [scale, zeroPoint] = await observer.calculateQParams();
    for (const [name, t] of Object.entries({ min, max, scale, zero_point: zeroPoint })) {
      assertEquals(await numbers(t), await numbers(`${c.name}.${name}`), `${c.name}.${name}`);
    }
  }
});

eachBackend("moving averages are within 2 ULP of PyTorch's", async (device) => {
  const cases = selected("MovingAverageMinMaxObserver", "MovingAveragePerChannelMinMaxObserver");
  assertEquals(cases.length, 20);
  for (const c of cases) {
    const perTensor = c.observer === "MovingAverageMinMaxObserver";
    const observer = new AffineQuantizedMovingAverageMinMaxObserver(
      c.mappingType,
      dtypeOf(c.targetDtype)!,
      {
        granularity: perTensor ? new PerTensor() : new PerAxis(0),
        eps,
        averagingConstant: c.averagingConstant!,
      },
    );
    for (const x of batches(c, device)) observer.forward(x);
    const [min, max] = await observer.minMax();
    for (const [name, t] of Object.entries({ min, max })) {
      const expected = await numbers(`${c.name}.${name}`);
      (await numbers(t)).forEach((value, i) => {
        assert(ulps(value, expected[i]) <= 2, `${c.name}.${name}: ${value} and ${expected[i]}`);
      });
    }
  }
});

eachBackend("the histogram's range is at least as good as PyTorch's", async (device) => {
  const cases = selected("HistogramObserver");
  assertEquals(cases.length, 10);
  for (const c of cases) {
    const observer = new AffineQuantizedHistogramObserver(c.mappingType, dtypeOf(c.targetDtype)!, {
      granularity: new PerTensor(),
      eps,
    });
    const inputs = batches(c, device);
    for (const x of inputs) observer.forward(x);
    const [histogram] = await observer.histograms();
    assertEquals([histogram.min], await numbers(`${c.name}.min`));
    assertEquals([histogram.max], await numbers(`${c.name}.max`));
    assertEquals(histogram.counts.reduce((sum, n) => sum + n, 0), inputs[0].numel * c.batches);

    const [min, max] = await observer.minMax();
    const ours = await squaredError(inputs, c, min, max);
    const [low] = await numbers(`${c.name}.chosen_min`);
    const [high] = await numbers(`${c.name}.chosen_max`);
    const theirs = await squaredError(
      inputs,
      c,
      tensor(low, { device }),
      tensor(high, { device }),
    );
    assert(ours <= theirs, `${c.name} (${c.kind}): ours ${ours}, PyTorch's ${theirs}`);
  }
});

/** The sum of squared errors of quantizing all batches with the parameters for a range. */
async function squaredError(
  inputs: Tensor[],
  c: Case,
  min: Tensor,
  max: Tensor,
): Promise<number> {
  const target = dtypeOf(c.targetDtype)!;
  const [scale, zeroPoint] = await chooseQParamsAffineWithMinMax(min, max, c.mappingType, target, {
    eps,
  });
  let sum = 0;
  for (const x of inputs) {
    using q = quantizeAffine(x, x.shape, scale, zeroPoint, target);
    using y = dequantizeAffine(q, x.shape, scale, zeroPoint, target);
    const [xs, ys] = [await x.data(), await y.data()];
    xs.forEach((v, i) => sum += (v - ys[i]) ** 2);
  }
  return sum;
}

/** How many float32 numbers apart two are. */
function ulps(a: number, b: number): number {
  const [x, y] = new Int32Array(Float32Array.of(a, b).buffer);
  const ordered = (bits: number) => bits < 0 ? -(bits & 0x7fffffff) : bits;
  return Math.abs(ordered(x) - ordered(y));
}
