import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import fc from "fast-check";
import { chooseRange } from "../../../lib/quantization/affine/range.ts";
import {
  bfloat16,
  chooseQParamsAffine,
  chooseQParamsAffineWithMinMax,
  type ChooseQParamsOptions,
  type DType,
  finfo,
  float16,
  float32,
  int1,
  int32,
  int4,
  int8,
  MappingType,
  type NestedNumbers,
  tensor,
  uint2,
  uint4,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { nearest } from "../../oracles.ts";

async function choose(
  data: NestedNumbers,
  mappingType: MappingType,
  block: number[],
  dtype: DType,
  { dtype: observed, ...options }: ChooseQParamsOptions & { dtype?: DType } = {},
) {
  using x = tensor(data, { dtype: observed });
  const [scale, zeroPoint] = await chooseQParamsAffine(x, mappingType, block, dtype, options);
  return { scale: [...await scale.data()], zeroPoint: [...await zeroPoint.data()] };
}

const f = Math.fround;
const { ASYMMETRIC, SYMMETRIC, SYMMETRIC_NO_CLIPPING_ERR } = MappingType;

eachBackend("known ranges, asymmetric", async () => {
  assertEquals(await choose([[-1, 0, 4.1]], ASYMMETRIC, [1, 3], uint8), {
    scale: [f(f(f(4.1) + 1) / 255)],
    zeroPoint: [50],
  });
  assertEquals(await choose([-128, 127], ASYMMETRIC, [2], int8), { scale: [1], zeroPoint: [0] });
  assertEquals(await choose([3, 255], ASYMMETRIC, [2], uint8), { scale: [1], zeroPoint: [0] });
  assertEquals(await choose([-255, -3], ASYMMETRIC, [2], uint8), { scale: [1], zeroPoint: [255] });
  assertEquals(await choose([-7.5, 7.5], ASYMMETRIC, [2], uint4), { scale: [1], zeroPoint: [8] });
  assertEquals(
    await choose([[-1, 2], [-4, 0]], ASYMMETRIC, [1, 2], uint2),
    { scale: [1, f(4 / 3)], zeroPoint: [1, 3] },
  );
});

eachBackend("known ranges, symmetric", async () => {
  assertEquals(await choose([-1, 127.5], SYMMETRIC, [2], int8), { scale: [1], zeroPoint: [0] });
  assertEquals(await choose([-255, 1], SYMMETRIC, [2], uint8), { scale: [2], zeroPoint: [128] });
  assertEquals(await choose([-6, 7], SYMMETRIC, [2], int8, { quantMin: -7, quantMax: 7 }), {
    scale: [1],
    zeroPoint: [0],
  });
  assertEquals(await choose([-128, 1], SYMMETRIC_NO_CLIPPING_ERR, [2], int8), {
    scale: [1],
    zeroPoint: [0],
  });
  assertEquals(await choose([-1, 254], SYMMETRIC_NO_CLIPPING_ERR, [2], int8), {
    scale: [2],
    zeroPoint: [0],
  });
});

eachBackend("a range without width gets eps as its scale", async () => {
  for (const dtype of [float32, float16, bfloat16]) {
    assertEquals(await choose([0, 0], ASYMMETRIC, [2], uint8, { dtype }), {
      scale: [finfo(dtype).tiny],
      zeroPoint: [0],
    });
  }
  assertEquals(await choose([1e-30], ASYMMETRIC, [1], int8, { eps: 0.25 }), {
    scale: [0.25],
    zeroPoint: [-128],
  });
});

eachBackend("parameters come in the dtypes asked for", async () => {
  using x = tensor([[-1, 1]], { dtype: bfloat16 });
  const plain = await chooseQParamsAffine(x, ASYMMETRIC, [1, 2], uint8);
  assertEquals(plain.map((t) => t.dtype), [bfloat16, int32]);
  const asked = await chooseQParamsAffine(x, ASYMMETRIC, [1, 2], uint8, {
    scaleDtype: float32,
    zeroPointDtype: float32,
  });
  assertEquals(asked.map((t) => t.dtype), [float32, float32]);
  // The arithmetic is the input's: asking for float32 afterwards adds no digits.
  assertEquals(await asked[0].item(), await plain[0].item());
  assertEquals(await plain[0].item(), nearest(bfloat16, 2 / 255));
});

eachBackend("with minima and maxima given, the same parameters", async () => {
  const data = [[-3, 1.5, 2], [0.25, 0.5, 7], [-9, -8, -7]];
  for (const mapping of [ASYMMETRIC, SYMMETRIC, SYMMETRIC_NO_CLIPPING_ERR]) {
    for (const dtype of [float32, float16, bfloat16]) {
      const options = { dtype };
      const [scale, zeroPoint] = await chooseQParamsAffineWithMinMax(
        tensor(data.map((row) => Math.min(...row)), options),
        tensor(data.map((row) => Math.max(...row)), options),
        mapping,
        int8,
      );
      const expected = await choose(data, mapping, [1, 3], int8, options);
      assertEquals([...await scale.data()], expected.scale);
      assertEquals([...await zeroPoint.data()], expected.zeroPoint);
      assertEquals([...scale.shape], [3]);
    }
  }
});

const magnitude = fc.float({ noNaN: true, noDefaultInfinity: true, min: f(-1e30), max: f(1e30) });

Deno.test("the range chosen covers what was seen", () => {
  fc.assert(
    fc.property(
      magnitude,
      magnitude,
      fc.constantFrom(int8, uint8, int4, uint4, uint2),
      fc.constantFrom(ASYMMETRIC, SYMMETRIC_NO_CLIPPING_ERR),
      (a, b, target, mappingType) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const { min: quantMin, max: quantMax } = target;
        if (mappingType === SYMMETRIC_NO_CLIPPING_ERR && quantMin === 0) return;
        const spec = { mappingType, quantMin, quantMax, dtype: float32 };
        const { scale, zeroPoint } = chooseRange(low, high, spec);
        assert(scale > 0 && Number.isFinite(scale));
        assert(Number.isInteger(zeroPoint) && quantMin <= zeroPoint && zeroPoint <= quantMax);
        // Half a step for the zero point, and the rounding of the scale over all steps.
        const slack = scale * (0.5 + 1e-6 * (quantMax - quantMin));
        assert((quantMin - zeroPoint) * scale <= Math.min(low, 0) + slack);
        assert((quantMax - zeroPoint) * scale >= Math.max(high, 0) - slack);
      },
    ),
    { seed: 21, numRuns: 3_000 },
  );
});

Deno.test("the symmetric range is as wide as the larger magnitude and no wider", () => {
  fc.assert(
    fc.property(magnitude, magnitude, fc.constantFrom(int8, uint8, int4), (a, b, target) => {
      const { min: quantMin, max: quantMax } = target;
      const spec = { mappingType: SYMMETRIC, quantMin, quantMax, dtype: float32 };
      const { scale, zeroPoint } = chooseRange(Math.min(a, b), Math.max(a, b), spec);
      assertEquals(zeroPoint, quantMin < 0 ? 0 : 2 ** 7);
      const widest = Math.max(Math.abs(a), Math.abs(b));
      const half = (quantMax - quantMin) / 2;
      assert(scale >= finfo(float32).tiny);
      if (widest > 1e-30) assert(Math.abs(scale * half / widest - 1) < 1e-6);
    }),
    { seed: 22, numRuns: 2_000 },
  );
});

eachBackend("no range gives a scale that is infinite, NaN or zero without saying so", async () => {
  const attempts: [string, () => Promise<[unknown, unknown]>][] = [
    [
      "float16 ±65504",
      () =>
        chooseQParamsAffine(tensor([-65504, 65504], { dtype: float16 }), ASYMMETRIC, [2], uint8),
    ],
    ["float32 ±3e38", () => chooseQParamsAffine(tensor([-3e38, 3e38]), ASYMMETRIC, [2], uint8)],
    [
      "a largest integer of 0",
      () => chooseQParamsAffine(tensor([-1, 1]), SYMMETRIC_NO_CLIPPING_ERR, [2], int1),
    ],
    ["eps of 0", () => chooseQParamsAffine(tensor([0, 0]), SYMMETRIC, [2], int8, { eps: 0 })],
    ["eps of NaN", () => chooseQParamsAffine(tensor([1, 2]), SYMMETRIC, [2], int8, { eps: NaN })],
    [
      "a scale below float16",
      () => chooseQParamsAffine(tensor([1e-9, 0]), SYMMETRIC, [2], int8, { scaleDtype: float16 }),
    ],
    [
      "a scale beyond float16",
      () => chooseQParamsAffine(tensor([1e9, 0]), SYMMETRIC, [2], int8, { scaleDtype: float16 }),
    ],
    [
      "an infinite maximum",
      () => chooseQParamsAffineWithMinMax(tensor([0]), tensor([Infinity]), SYMMETRIC, int8),
    ],
  ];
  const silent: string[] = [];
  for (const [what, attempt] of attempts) {
    try {
      const [scale] = await attempt() as Awaited<ReturnType<typeof chooseQParamsAffine>>;
      const value = await scale.item();
      if (!(value > 0 && Number.isFinite(value))) silent.push(`${what}: ${value}`);
    } catch (error) {
      assertInstanceOf(error, RangeError);
    }
  }
  assertEquals(silent, []);
});

eachBackend("what has no range is refused", async () => {
  const x = (data: NestedNumbers, dtype = float32) => tensor(data, { dtype });
  const refused = (
    [input, block, target, options]: [ReturnType<typeof x>, number[], DType, object?],
    type: new () => Error,
    message: string,
  ) =>
    assertRejects(
      () => chooseQParamsAffine(input, ASYMMETRIC, block, target, options),
      type,
      `chooseQParamsAffine: ${message}`,
    );
  await refused([x([]), [0], uint8], RangeError, "a tensor of shape (0,) has no range");
  await refused([x([1, NaN]), [2], uint8], RangeError, "the input holds a NaN or an infinity");
  await refused([x([1, -Infinity]), [1], uint8], RangeError, "the input holds a NaN");
  await refused([x([1, 2, 3]), [2], uint8], RangeError, "blocks of (2,) do not divide");
  await refused([x([1, 2]), [1, 2], uint8], RangeError, "blocks of (1, 2) do not divide");
  await refused([x([1], int8), [1], uint8], TypeError, "expected a float tensor, got int8");
  await refused([x([1]), [1], float16], TypeError, "float16 is not a dtype to quantize to");
});

eachBackend("minima and maxima must agree", async () => {
  const refused = (min: NestedNumbers, max: NestedNumbers, message: string, dtype = float32) =>
    assertRejects(
      () => chooseQParamsAffineWithMinMax(tensor(min), tensor(max, { dtype }), SYMMETRIC, int8),
      RangeError,
      `chooseQParamsAffineWithMinMax: ${message}`,
    );
  await refused([1, 2], [1], "minVal is float32 (2,), maxVal float32 (1,); they must agree");
  await refused([1], [2], "minVal is float32 (1,), maxVal bfloat16 (1,)", bfloat16);
  await refused([1, 3], [2, 2], "block 1 has minimum 3 and maximum 2");
  await refused([NaN], [2], "block 0 has minimum NaN");
});

Deno.test("a single value on one side of zero keeps zero inside the range", () => {
  const spec = { mappingType: ASYMMETRIC, quantMin: 0, quantMax: 255, dtype: float32 };
  assertStrictEquals(chooseRange(5, 5, spec).zeroPoint, 0);
  assertStrictEquals(chooseRange(-5, -5, spec).zeroPoint, 255);
});
