import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { float16Bits, float16Value } from "../../lib/numbers/float16.ts";

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
