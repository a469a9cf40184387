import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  bfloat16,
  chooseQParamsAffine,
  dequantizeAffine,
  type DType,
  dtypes,
  float16,
  float32,
  getBlockSize,
  type Granularity,
  init,
  int16,
  int32,
  int8,
  MappingType,
  PerAxis,
  PerBlock,
  PerGroup,
  PerRow,
  PerTensor,
  quantizeAffine,
  type Tensor,
  tensor,
  uint4,
  uint8,
  zeros,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { blockOfIndices, quantizeOne, rounded, ulp, wider } from "../../oracles.ts";

const { ASYMMETRIC, SYMMETRIC, SYMMETRIC_NO_CLIPPING_ERR } = MappingType;

interface Sample {
  shape: number[];
  values: number[];
  granularity: Granularity;
}

/** Shapes (4a, 2b) and (2, 4a, 2b), with granularities that fit. */
const sample: fc.Arbitrary<Sample> = fc.tuple(
  fc.integer({ min: 1, max: 2 }),
  fc.integer({ min: 1, max: 4 }),
  fc.boolean(),
  fc.constantFrom<(rank: number) => Granularity>(
    () => new PerTensor(),
    () => new PerAxis(0),
    () => new PerAxis(-1),
    () => new PerRow(),
    () => new PerGroup(2),
    (rank) => new PerBlock(rank === 3 ? [1, 2, -1] : [2, -1]),
  ),
).chain(([a, b, deep, granularity]) => {
  const shape = deep ? [2, 4 * a, 2 * b] : [4 * a, 2 * b];
  const numel = shape.reduce((x, y) => x * y);
  const value = fc.oneof(
    fc.integer({ min: -1000, max: 1000 }).map((n) => n / 100),
    fc.constantFrom(0, -0, 1e-3, -2.5),
  );
  return fc.record({
    shape: fc.constant(shape),
    values: fc.array(value, { minLength: numel, maxLength: numel }),
    granularity: fc.constant(granularity(shape.length)),
  });
});

/** All integers whose steps float32 can tell apart; 8-bit floats have a test of their own. */
const targets = Object.values(dtypes).filter((dtype) => !dtype.isFloat && dtype !== int32);

for (const mapping of [ASYMMETRIC, SYMMETRIC, SYMMETRIC_NO_CLIPPING_ERR]) {
  eachBackend(`${mapping}: there and back is off by half a step at most`, async (device) => {
    await fc.assert(
      fc.asyncProperty(
        sample,
        fc.constantFrom(
          ...targets.filter((t) =>
            mapping !== SYMMETRIC_NO_CLIPPING_ERR || (t.min < 0 && t.max > 0)
          ),
        ),
        fc.constantFrom(float32, float16, bfloat16),
        async ({ shape, values, granularity }, target, dtype) => {
          using x = tensor(values, { shape, dtype });
          const block = getBlockSize(shape, granularity);
          const options = { scaleDtype: float32 };
          const params = await chooseQParamsAffine(x, mapping, block, target, options);
          const [scale, zeroPoint] = params;
          using q = quantizeAffine(x, block, scale, zeroPoint, target);
          using y = dequantizeAffine(q, block, scale, zeroPoint, target);
          const [xs, qs, ys] = await Promise.all([x.data(), q.data(), y.data()]);
          const [scales, zeroPoints] = await Promise.all([scale.data(), zeroPoint.data()]);
          params.forEach((t) => t.dispose());
          for (let i = 0; i < xs.length; i++) {
            const b = blockOfIndices(i, shape, block);
            const step = scales[b];
            assert(target.min <= qs[i] && qs[i] <= target.max);
            // Inside what the integers can stand for; outside, the error is the distance to it.
            const low = (target.min - zeroPoints[b]) * step;
            const high = (target.max - zeroPoints[b]) * step;
            const outside = Math.max(low - xs[i], xs[i] - high, 0);
            // One rounding each of reciprocal, product and result, on at most so many steps.
            const slack = (target.max - target.min) * 4 * 2 ** -24;
            assertLessOrEqual(
              Math.abs(ys[i] - xs[i]),
              Math.max(step * (0.5 + slack), outside * (1 + slack)),
            );
            if (xs[i] === 0) assertEquals(ys[i], 0, "zero stands for itself");
          }
        },
      ),
      { seed: 31, numRuns: device === "cpu" ? 240 : 40 },
    );
  });
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const anyFloat = fc.integer({ min: 0, max: 0xffffffff }).map((bits) => {
  u32[0] = bits;
  return Number.isFinite(f32[0]) ? f32[0] : 0;
});

/** Numbers that tell implementations apart, for a scale. */
function telling(scale: number): number[] {
  const ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5, 254.5].map((n) => n * scale);
  return [
    ...[0, -0, 1e-45, -1e-45, 5e-39, -1.1754942e-38, 1.17549435e-38, 65504, 6e-8, -6e-8],
    ...[3.4028234663852886e38, -3.4028234663852886e38, 1e30, Infinity, -Infinity, scale, -scale],
    ...ties,
    ...ties.flatMap((t) => [t * (1 + 2 ** -22), t * (1 - 2 ** -22)]),
  ];
}

const scales = [
  1,
  0.02,
  1 / 3,
  0.1,
  7e-3,
  1e-20,
  2 ** -126,
  1.5 * 2 ** -120,
  1e30,
  3e-5,
  60000,
  1e-45,
  3e38,
];
const pairs: [DType, DType][] = [
  [float32, float32],
  [bfloat16, float32],
  [float16, float32],
  [bfloat16, bfloat16],
  [float16, float16],
  [float32, bfloat16],
  [float16, bfloat16],
];

/** Every pair of telling number and scale, and some at random, as x with a scale a row. */
function battery(
  dtype: DType,
  scaleDtype: DType,
): { x: number[]; rows: number; k: number; s: number[] } {
  const s = scales.filter((v) => {
    const r = rounded(scaleDtype, v);
    return r > 0 && Number.isFinite(r) && Number.isFinite(rounded(scaleDtype, 1 / r));
  });
  const extra = fc.sample(anyFloat, { seed: 41, numRuns: 61 });
  const x = s.flatMap((scale) => [...telling(scale), ...extra].map((v) => rounded(dtype, v)));
  return { x, rows: s.length, k: x.length / s.length, s: s.map((v) => rounded(scaleDtype, v)) };
}

for (const [dtype, scaleDtype] of pairs) {
  eachBackend(
    `${dtype.name} by ${scaleDtype.name} scales quantizes to the formula's bits`,
    async () => {
      const { x, rows, k, s } = battery(dtype, scaleDtype);
      using input = tensor(x, { shape: [rows, k], dtype });
      using scale = tensor(s, { dtype: scaleDtype });
      for (const [target, zero] of [[uint8, 100], [int8, -3], [uint4, 7]] as const) {
        using zeroPoint = tensor(s.map(() => zero), { dtype: int32 });
        using q = quantizeAffine(input, [1, k], scale, zeroPoint, target);
        const actual = await q.data();
        const productDtype = wider(dtype, scaleDtype, float32);
        for (let i = 0; i < x.length; i++) {
          const step = s[Math.floor(i / k)];
          const spec = {
            scale: step,
            scaleDtype,
            zeroPoint: zero,
            productDtype,
            quantMin: target.min,
            quantMax: target.max,
          };
          const expected = quantizeOne(x[i], spec);
          if (actual[i] !== expected) {
            assertEquals(actual[i], expected, `${x[i]} by ${step} to ${target.name}`);
          }
        }
      }
    },
  );
}

async function both(make: (device: "cpu" | "webgpu") => Tensor): Promise<void> {
  await init({ device: "webgpu" });
  using a = make("cpu");
  using b = make("webgpu");
  const [cpu, gpu] = [await a.bytes(), await b.bytes()];
  const at = cpu.findIndex((byte, i) => byte !== gpu[i]);
  if (at >= 0) {
    const i = Math.floor(at / a.dtype.itemSize);
    throw new Error(`element ${i}: cpu ${(await a.data())[i]}, webgpu ${(await b.data())[i]}`);
  }
}

for (const outputDtype of [float32, float16, bfloat16]) {
  for (const scaleDtype of [float32, bfloat16, float16]) {
    Deno.test(`${outputDtype.name} from ${scaleDtype.name} scales has the same bits everywhere`, async () => {
      const values = [1, 0.02, 1 / 3, 7e-3, 3e-5, 1e-20, 2 ** -126, 1e30, 1e36, 1e-39, 1e-45]
        .map((v) => rounded(scaleDtype, v)).filter(Number.isFinite);
      const integers = [-128, -127, -1, 0, 1, 7, 126, 127];
      const shape = [values.length, integers.length];
      for (const zero of [0, -5, 127]) {
        await both((device) =>
          dequantizeAffine(
            tensor(values.flatMap(() => integers), { shape, dtype: int8, device }),
            [1, integers.length],
            tensor(values, { dtype: scaleDtype, device }),
            tensor(values.map(() => zero), { dtype: int32, device }),
            int8,
            { outputDtype },
          )
        );
      }
    });
  }
}

Deno.test("NaN quantizes to the same integer everywhere", async () => {
  await both((device) =>
    quantizeAffine(tensor([NaN, 1], { device }), [2], tensor([1], { device }), null, int8)
  );
});

eachBackend("reciprocals are correctly rounded in the scale's dtype", async () => {
  const samples = fc.sample(anyFloat, { seed: 51, numRuns: 3_000 });
  for (const dtype of [float32, float16, bfloat16]) {
    using x = tensor([...samples, ...scales, 1e-39, -1e-39, 3, -3, 2 ** 127, 0, -0, Infinity], {
      dtype,
    });
    const { backend } = x;
    const buffer = backend.reciprocal(x.operand);
    const actual = new Float32Array((await backend.read(buffer)).slice().buffer);
    backend.release(buffer);
    const values = await x.data();
    values.forEach((v, i) =>
      assertStrictEquals(actual[i], rounded(dtype, 1 / v), `1 / ${v} in ${dtype.name}`)
    );
  }
});

eachBackend("wide integers: the sum is exact below 2²⁴ and clamps at the ends", async () => {
  using x = tensor([1e30, -1e30, 3, -3, 0.5, 1.5, 40000]);
  using scale = tensor([1]);
  using zero = tensor([0], { dtype: int32 });
  using narrow = quantizeAffine(x, [7], scale, zero, int16);
  assertEquals([...await narrow.data()], [32767, -32768, 3, -3, 0, 2, 32767]);
  using wide = quantizeAffine(x, [7], scale, zero, int32);
  assertEquals([...await wide.data()], [2 ** 31 - 1, -(2 ** 31), 3, -3, 0, 2, 40000]);
});

eachBackend("a narrower range clamps to its ends", async () => {
  using x = tensor([-100, -3, 0, 3, 100]);
  using scale = tensor([1]);
  using q = quantizeAffine(x, [5], scale, null, int8, { quantMin: -2, quantMax: 2 });
  assertEquals([...await q.data()], [-2, -2, 0, 2, 2]);
});

eachBackend("zero points of any dtype, or none", async () => {
  using x = tensor([[-1, 0, 4.1]]);
  using scale = tensor([0.02]);
  for (const dtype of [int32, uint8, float32, bfloat16]) {
    using zeroPoint = tensor([50], { dtype });
    using q = quantizeAffine(x, [1, 3], scale, zeroPoint, uint8);
    assertEquals([...await q.data()], [0, 50, 255]);
    using y = dequantizeAffine(q, [1, 3], scale, zeroPoint, uint8);
    assertEquals([...await y.data()], [-1, 0, 4.1].map((v) => Math.fround(v)));
  }
  using none = quantizeAffine(x, [1, 3], scale, null, int8);
  assertEquals([...await none.data()], [-50, 0, 127]);
});

eachBackend("a dequantized tensor is rounded to the output's dtype", async () => {
  using q = tensor([[1, 100, 255]], { dtype: uint8 });
  using scale = tensor([1 / 3]);
  for (const outputDtype of [float16, bfloat16]) {
    using y = dequantizeAffine(q, [1, 3], scale, null, uint8, { outputDtype });
    assertStrictEquals(y.dtype, outputDtype);
    const values = await y.data();
    [1, 100, 255].forEach((v, i) =>
      assert(Math.abs(values[i] - v / 3) <= ulp(outputDtype, v / 3) / 2 * (1 + 1e-4))
    );
  }
});

eachBackend("an empty tensor quantizes to an empty one", async () => {
  using scale = tensor([1]);
  using none = zeros([0, 4]);
  using q = quantizeAffine(none, none.shape, scale, null, int8);
  assertEquals([...q.shape], [0, 4]);
  assertEquals((await q.data()).length, 0);
});

eachBackend("scales and zero points of the wrong shape are refused", () => {
  using x = zeros([4, 6]);
  using q = zeros([4, 6], { dtype: uint8 });
  using four = tensor([1, 1, 1, 1]);
  using three = tensor([1, 1, 1]);
  const needs = (what: string) =>
    `the ${what} has shape (3,), but a tensor of shape (4, 6) in blocks of (1, 6) needs 4 of them, shape (4,)`;
  assertThrows(
    () => quantizeAffine(x, [1, 6], three, four, uint8),
    RangeError,
    `quantizeAffine: ${needs("scale")}`,
  );
  assertThrows(
    () => quantizeAffine(x, [1, 6], four, three, uint8),
    RangeError,
    `quantizeAffine: ${needs("zeroPoint")}`,
  );
  assertThrows(
    () => dequantizeAffine(q, [1, 6], three, four, uint8),
    RangeError,
    `dequantizeAffine: ${needs("scale")}`,
  );
  assertThrows(
    () => dequantizeAffine(q, [1, 6], four, three, uint8),
    RangeError,
    `dequantizeAffine: ${needs("zeroPoint")}`,
  );
});

eachBackend("scales that kept their dimensions fit too", async () => {
  using x = tensor([[1, 2], [3, 4]]);
  using scale = tensor([[1], [0.5]]);
  using q = quantizeAffine(x, [1, 2], scale, null, int8);
  assertEquals([...await q.data()], [1, 2, 6, 8]);
});

eachBackend("dtypes of the wrong kind are refused", () => {
  using x = zeros([2]);
  using q = zeros([2], { dtype: uint8 });
  using one = tensor([1]);
  using whole = tensor([1], { dtype: int32 });
  assertThrows(
    () => quantizeAffine(q, [2], one, null, uint8),
    TypeError,
    "quantizeAffine: expected a float tensor, got uint8",
  );
  assertThrows(
    () => quantizeAffine(x, [2], one, null, float16),
    TypeError,
    "float16 is not a dtype to quantize to",
  );
  assertThrows(
    () => quantizeAffine(x, [2], whole, null, uint8),
    TypeError,
    "the scale must be float, got int32",
  );
  assertThrows(
    () => dequantizeAffine(q, [2], one, null, int8),
    TypeError,
    "the integers are uint8, not int8",
  );
  assertThrows(
    () => dequantizeAffine(q, [2], one, null, uint8, { outputDtype: int8 }),
    TypeError,
    "the output dtype must be float, got int8",
  );
});

eachBackend("the range must lie inside the dtype", () => {
  using x = zeros([2]);
  using one = tensor([1]);
  for (const [quantMin, quantMax] of [[-1, 255], [0, 256], [5, 5], [9, 3], [0.5, 3], [NaN, 3]]) {
    assertThrows(
      () => quantizeAffine(x, [2], one, null, uint8, { quantMin, quantMax }),
      RangeError,
      `quantizeAffine: quantMin ${quantMin} and quantMax ${quantMax} must be integers with ` +
        `0 ≤ quantMin < quantMax ≤ 255, the range of uint8`,
    );
  }
});

Deno.test("tensors on different devices are refused", async () => {
  await init({ device: "webgpu" });
  using x = zeros([2]);
  using one = tensor([1], { device: "cpu" });
  assertThrows(
    () => quantizeAffine(x, [2], one, null, uint8),
    Error,
    "quantizeAffine: tensors live on different devices (webgpu and cpu)",
  );
});
