import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  AffineQuantizedFixedQParamObserver,
  backendFor,
  bfloat16,
  chooseQParamsAffine,
  chooseQParamsAffineWithMinMax,
  deepcopy,
  float16,
  float32,
  getBlockSize,
  type Granularity,
  int32,
  int8,
  MappingType,
  PerAxis,
  PerGroup,
  PerRow,
  PerTensor,
  randn,
  tensor,
  uint8,
  zeros,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { blockOfIndices, uniform } from "../../oracles.ts";
import { minMax } from "../flow.ts";

const { ASYMMETRIC, SYMMETRIC } = MappingType;

eachBackend("batches of different sizes fold into one range", async () => {
  for (const dtype of [float32, float16, bfloat16]) {
    const observer = minMax(ASYMMETRIC, uint8);
    let [low, high] = [Infinity, -Infinity];
    for (const [i, shape] of [[3, 5], [1], [7, 5], [2, 3, 5], []].entries()) {
      const numel = shape.reduce((a, b) => a * b, 1);
      using x = tensor(uniform(i, numel, -i - 1, 2 * i + 1), { shape, dtype });
      assertStrictEquals(observer.forward(x), x);
      for (const v of await x.data()) [low, high] = [Math.min(low, v), Math.max(high, v)];
    }
    const [min, max] = await observer.minMax();
    assertEquals([await min.item(), await max.item()], [low, high]);
    assertEquals([...min.shape], []);
    assertStrictEquals(min.dtype, dtype);
  }
});

eachBackend("ranges a block are those of the elements in the block", async (device) => {
  const granularity = fc.constantFrom<Granularity>(
    new PerTensor(),
    new PerAxis(0),
    new PerAxis(1),
    new PerAxis(2),
    new PerRow(),
    new PerGroup(2),
  );
  const shape = [3, 5, 4];
  const batch = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
    minLength: 60,
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(
      granularity,
      fc.array(batch, { minLength: 1, maxLength: 3 }),
      async (g, batches) => {
        const observer = minMax(ASYMMETRIC, int8, { granularity: g });
        const block = getBlockSize(shape, g);
        const low: number[] = [];
        const high: number[] = [];
        for (const values of batches) {
          using x = tensor(values, { shape });
          observer.forward(x);
          values.forEach((v, i) => {
            const b = blockOfIndices(i, shape, block);
            low[b] = Math.min(low[b] ?? Infinity, v);
            high[b] = Math.max(high[b] ?? -Infinity, v);
          });
        }
        const [min, max] = await observer.minMax();
        assertEquals([...await min.data()], low);
        assertEquals([...await max.data()], high);
      },
    ),
    { seed: 61, numRuns: device === "cpu" ? 80 : 15 },
  );
});

eachBackend("a large batch is looked at to its last element", async () => {
  const values = new Float32Array(3 * 10_007);
  values[values.length - 1] = 5;
  values[10_006] = -7; // the last of the first row
  const observer = minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(0) });
  observer.forward(tensor(values, { shape: [3, 10_007] }));
  const [min, max] = await observer.minMax();
  assertEquals([...await min.data()], [-7, 0, 0]);
  assertEquals([...await max.data()], [0, 0, 5]);
});

eachBackend("parameters are those of all batches at once", async () => {
  for (const mapping of [ASYMMETRIC, SYMMETRIC]) {
    for (const dtype of [float32, float16, bfloat16]) {
      const observer = minMax(mapping, int8);
      const halves = [uniform(1, 20, -3, 1), uniform(2, 20, -1, 5)];
      halves.forEach((values) => observer.forward(tensor(values, { dtype })));
      const all = tensor(halves.flatMap((half) => [...half]), { dtype });
      const actual = await observer.calculateQParams();
      const expected = await chooseQParamsAffine(all, mapping, [40], int8);
      const [min, max] = await observer.minMax();
      const again = await chooseQParamsAffineWithMinMax(min, max, mapping, int8);
      for (const i of [0, 1]) {
        assertEquals(await actual[i].bytes(), await expected[i].bytes());
        assertEquals(await again[i].bytes(), await expected[i].bytes());
        assertStrictEquals(actual[i].dtype, expected[i].dtype);
      }
    }
  }
});

eachBackend("observing goes on after parameters were asked for", async () => {
  const observer = minMax(SYMMETRIC, int8, { eps: 1e-9 });
  observer.forward(tensor([127.5]));
  assertEquals(await (await observer.calculateQParams())[0].item(), 1);
  observer.forward(tensor([-255]));
  assertEquals(await (await observer.calculateQParams())[0].item(), 2);
});

eachBackend("a batch of another float dtype widens what is reported", async () => {
  const observer = minMax(ASYMMETRIC, uint8);
  observer.forward(tensor([1], { dtype: bfloat16 }));
  observer.forward(tensor([-0.1]));
  const [min, max] = await observer.minMax();
  assertStrictEquals(min.dtype, float32);
  assertEquals([await min.item(), await max.item()], [Math.fround(-0.1), 1]);
});

eachBackend("an empty batch is ignored, first or later", async () => {
  const observer = minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(0) });
  const none = zeros([0, 4]);
  assertStrictEquals(observer.forward(none), none);
  await assertRejects(() => observer.calculateQParams(), Error, "before any data");
  observer.forward(tensor([[1, 2], [-3, 4]]));
  observer.forward(zeros([2, 0]));
  const [min, max] = await observer.minMax();
  assertEquals([...await min.data()], [1, -3]);
  assertEquals([...await max.data()], [2, 4]);
});

eachBackend("copies observe for themselves", async () => {
  const first = minMax(ASYMMETRIC, uint8);
  const early = deepcopy(first);
  first.forward(tensor([-1, 1]));
  const late = deepcopy(first);
  late.forward(tensor([5]));
  early.forward(tensor([-9]));
  const ranges = await Promise.all([first, late, early].map(async (observer) => {
    const [min, max] = await observer.minMax();
    return [await min.item(), await max.item()];
  }));
  assertEquals(ranges, [[-1, 1], [-1, 5], [-9, -9]]);
});

eachBackend("observing reads nothing back and keeps its memory", (device) => {
  const backend = backendFor(device);
  const observer = minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(1) });
  using x = randn([16, 8]);
  observer.forward(x);
  const { liveBytes, liveBuffers } = backend.memory();
  const original = backend.read;
  let reads = 0;
  backend.read = (buffer) => (reads++, original.call(backend, buffer));
  try {
    for (let i = 0; i < 50; i++) observer.forward(x);
  } finally {
    backend.read = original;
  }
  assertEquals(reads, 0);
  const after = backend.memory();
  assertEquals([after.liveBytes, after.liveBuffers], [liveBytes, liveBuffers]);
});

eachBackend("an observer knows its settings", () => {
  const observer = minMax(SYMMETRIC, int8, { quantMin: -127, quantMax: 126 });
  assertEquals([observer.quantMin, observer.quantMax], [-127, 126]);
  assertStrictEquals(observer.targetDtype, int8);
  assertStrictEquals(observer.mappingType, SYMMETRIC);
  assert(Object.isFrozen(observer.options));
  assertEquals(String(observer), "AffineQuantizedMinMaxObserver()");
});

eachBackend("a fixed observer gives what it was given, whatever passes", async () => {
  const granularity = new PerTensor();
  const observer = new AffineQuantizedFixedQParamObserver(ASYMMETRIC, uint8, {
    granularity,
    scale: 1 / 256,
    zeroPoint: 3,
  });
  const x = tensor([1e9]);
  assertStrictEquals(observer.forward(x), x);
  let [scale, zeroPoint] = await observer.calculateQParams();
  assertEquals([await scale.item(), await zeroPoint.item()], [1 / 256, 3]);
  assertEquals([scale.dtype, zeroPoint.dtype], [float32, int32]);
  observer.setQParams(tensor([0.5, 2]), tensor([1, 2]));
  [scale, zeroPoint] = await observer.calculateQParams();
  assertEquals([[...await scale.data()], [...await zeroPoint.data()]], [[0.5, 2], [1, 2]]);
  observer.setQParams(tensor([0.5, 2]));
  assertEquals([...await (await observer.calculateQParams())[1].data()], [0, 0]);
  assertThrows(
    () => observer.setQParams(tensor([1, 2]), tensor([1])),
    RangeError,
    "AffineQuantizedFixedQParamObserver: the scale has shape (2,), the zero point (1,)",
  );
  const plain = new AffineQuantizedFixedQParamObserver(ASYMMETRIC, uint8, { granularity });
  [scale, zeroPoint] = await plain.calculateQParams();
  assertEquals([await scale.item(), await zeroPoint.item()], [1, 0]);
});
