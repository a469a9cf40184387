import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { bfloat16Bits, bfloat16Value, roundHalfEven, roundTo } from "../../lib/numbers/rounding.ts";
import { bfloat16, float16, float32, int8 } from "../../mod.ts";
import { nearest, rint } from "../oracles.ts";

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const fromBits = (bits: number): number => {
  u32[0] = bits;
  return f32[0];
};

Deno.test("rounding agrees with scaling to integers, for any float32", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (bits) => {
      const x = fromBits(bits);
      for (const dtype of [float32, float16, bfloat16]) {
        assertStrictEquals(roundTo(dtype, x), nearest(dtype, x), `${dtype.name} of ${x}`);
      }
    }),
    { seed: 1, numRuns: 20_000 },
  );
});

Deno.test("bfloat16 rounding goes to even at every tie", () => {
  for (let high = 0; high < 0x7f80; high++) {
    const [below, above] = [fromBits(high << 16), fromBits((high + 1) << 16)];
    const even = high % 2 ? above : below;
    const at = (low: number) => bfloat16Value(bfloat16Bits(fromBits((high << 16) | low)));
    assert(
      at(0x8000) === even && at(0x7fff) === below && at(0x8001) === above && at(0) === below,
      `between ${below} and ${above}`,
    );
  }
});

Deno.test("16-bit types round through float32, as PyTorch does", () => {
  // Just above a tie of float16, by less than float32 can tell.
  const x = 1 + 2 ** -11 + 2 ** -40;
  assertStrictEquals(roundTo(float16, x), 1);
  assertStrictEquals(roundTo(bfloat16, 1 + 2 ** -8 + 2 ** -40), 1);
});

Deno.test("signs of zero, infinities and NaN survive rounding", () => {
  for (const dtype of [float32, float16, bfloat16]) {
    assertStrictEquals(roundTo(dtype, -0), -0);
    assertStrictEquals(roundTo(dtype, -1e-60), -0);
    assertStrictEquals(roundTo(dtype, Infinity), Infinity);
    assertStrictEquals(roundTo(dtype, -1e300), -Infinity);
    assertStrictEquals(roundTo(dtype, NaN), NaN);
  }
  // A NaN whose payload is all in the lower half must not become an infinity.
  assertEquals(bfloat16Bits(fromBits(0x7f800001)) & 0x7f, 0x40);
  assertStrictEquals(bfloat16Value(bfloat16Bits(fromBits(0xffffffff))), NaN);
});

Deno.test("integer dtypes leave numbers as they are", () => {
  assertStrictEquals(roundTo(int8, 1.25), 1.25);
});

Deno.test("round half to even", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.integer({ min: -1000, max: 1000 }).map((n) => n / 2),
        fc.float({ noNaN: true }),
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      ),
      (x) => assertEquals(roundHalfEven(x), rint(x)),
    ),
    { seed: 2, numRuns: 5_000 },
  );
  assertEquals([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5].map(roundHalfEven), [-2, -2, 0, 0, 2, 2]);
  assertEquals(roundHalfEven(0.49999999999999994), 0);
  assertEquals([Infinity, -Infinity, 1e300].map(roundHalfEven), [Infinity, -Infinity, 1e300]);
});
