import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { float16Bits, float16Value } from "../../lib/numbers/float16.ts";
import { roundTo } from "../../lib/numbers/rounding.ts";
import { float16 } from "../../mod.ts";

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
const fromBits = (bits: number): number => {
  u32[0] = bits;
  return f32[0];
};

/** The language's own. */
const native = new Float16Array(1);
const bits = new Uint16Array(native.buffer);

Deno.test("float16: every half has the value that the language gives it, and comes back", () => {
  for (let half = 0; half < 2 ** 16; half++) {
    bits[0] = half;
    const [value] = native;
    if (!Object.is(float16Value(half), value)) assertEquals(float16Value(half), value, `${half}`);
    if (!Number.isNaN(value) && float16Bits(value) !== half) assertEquals(float16Bits(value), half);
  }
});

Deno.test("float16: floats are rounded as the language rounds them", () => {
  const rounded = (x: number) => {
    native[0] = x;
    return Number.isNaN(native[0]) ? NaN : bits[0];
  };
  const ours = (x: number) => {
    const found = float16Bits(x);
    return Number.isNaN(float16Value(found)) ? NaN : found;
  };
  fc.assert(
    fc.property(fc.float(), (x) => assertEquals(ours(x), rounded(x), `${x}`)),
    { numRuns: 2000 },
  );
  // Ties, and what lies right beside them.
  for (let half = 0; half < 0x7c00; half++) {
    const tie = (float16Value(half) + (half === 0x7bff ? 65536 : float16Value(half + 1))) / 2;
    for (const x of [tie, Math.fround(tie * (1 + 2 ** -23)), Math.fround(tie * (1 - 2 ** -23))]) {
      if (ours(x) !== rounded(x)) assertEquals(ours(x), rounded(x), `${x}`);
      if (ours(-x) !== rounded(-x)) assertEquals(ours(-x), rounded(-x), `${-x}`);
    }
  }
});

Deno.test("float16 rounding agrees with Float16Array at every tie and beside it", () => {
  const half = new Float16Array(new Uint16Array(0x7c01).map((_, i) => i).buffer);
  for (let i = 0; i + 1 < 0x7c00; i++) {
    const tie = (half[i] + half[i + 1]) / 2;
    const even = i % 2 ? half[i + 1] : half[i];
    f32[0] = tie;
    const above = fromBits(u32[0] + 1);
    assert(
      roundTo(float16, tie) === even && roundTo(float16, above) === half[i + 1] &&
        roundTo(float16, half[i]) === half[i] && roundTo(float16, -tie) === -even,
      `between ${half[i]} and ${half[i + 1]}`,
    );
  }
});
