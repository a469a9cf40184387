/**
 * What observing costs: a calibration batch through an observed model beside the plain float
 * forward, on one adapter, in one run; and what memory many batches take.
 *
 * Run: `deno task bench:calibration`.
 *
 * @module
 */
import {
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMovingAverageMinMaxObserver,
  type AffineQuantizedObserverBase,
  backendFor,
  deepcopy,
  init,
  insertObservers_,
  Linear,
  MappingType,
  PerAxis,
  PerTensor,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  uint8,
  zeros,
} from "../mod.ts";
import { measure } from "./measure.ts";

const { adapter } = await init();
console.log(`Deno ${Deno.version.deno}, ${adapter}`);
const fence = zeros([1]);

const models: [string, Sequential, Tensor][] = [
  [
    "MNIST's MLP, batch 256",
    new Sequential([
      new Linear(784, 256),
      new ReLU(),
      new Linear(256, 128),
      new ReLU(),
      new Linear(128, 10),
    ]),
    randn([256, 784]),
  ],
  [
    "MLP 1024-1024-1024, batch 256",
    new Sequential([new Linear(1024, 1024), new ReLU(), new Linear(1024, 1024)]),
    randn([256, 1024]),
  ],
];

const observers: [string, (g: PerTensor | PerAxis) => AffineQuantizedObserverBase][] = [
  [
    "min-max",
    (granularity) =>
      new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity }),
  ],
  [
    "moving average",
    (granularity) =>
      new AffineQuantizedMovingAverageMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
        granularity,
      }),
  ],
  [
    "histogram",
    (granularity) =>
      new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, { granularity }),
  ],
];

for (const [title, float, x] of models) {
  const observed = observers.map(([name, make]): [string, Sequential] => {
    const model = deepcopy(float);
    // Weights are seen once, so only the observers of activations count.
    const weights = new AffineQuantizedMinMaxObserver(MappingType.SYMMETRIC, uint8, {
      granularity: new PerAxis(0),
    });
    insertObservers_(model, make(new PerTensor()), weights);
    return [name, model];
  });
  const candidates = [["float", float] as [string, Sequential], ...observed].map((
    [name, model],
  ) => ({
    name,
    run: () => model.forward(x).dispose(),
    finish: async () => void await fence.data(),
  }));
  const timings = await measure(candidates);
  console.log(`\n${title}`);
  console.table(Object.fromEntries(timings.map(({ name, median, low, high }) => [name, {
    "of float": (median / timings[0].median).toFixed(2),
    "ms, median": median.toFixed(2),
    "quartiles": `${low.toFixed(2)} to ${high.toFixed(2)}`,
  }])));
  const [, model] = observed.at(-1)!;
  const memory: Record<string, unknown> = {};
  for (const batches of [16, 1024]) {
    for (let i = 0; i < batches; i++) {
      model.forward(x).dispose();
      if (i % 64 === 63) await fence.data();
    }
    await fence.data();
    memory[`after ${batches} batches more`] = {
      "device, bytes live": backendFor().memory().liveBytes,
      "process, MB": Math.round(Deno.memoryUsage().rss / 2 ** 20),
    };
  }
  console.table(memory);
}
