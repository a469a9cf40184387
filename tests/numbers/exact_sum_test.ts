import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ExactSums } from "../../lib/numbers/exact_sum.ts";

/** Numbers as activations have them, and such as spoil plain sums. */
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, min: -4, max: 4 }),
  fc.constantFrom(0, -0, 5e-324, -5e-324, 2 ** -1022, 1, -1, 1e16, -1e16, 2 ** 22, 1 - 2 ** -53),
);

const sumOf = (values: readonly number[]) => {
  const sums = new ExactSums(1);
  for (const x of values) sums.add(0, x);
  return sums;
};

const merged = (...all: ExactSums[]) => {
  const sums = new ExactSums(1);
  for (const one of all) sums.merge(one);
  return sums;
};

/** A float64 as an integer of units of 2^-1074. */
function asInteger(x: number): bigint {
  if (x === 0) return 0n;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return x < 0 ? -mantissa : mantissa;
}

Deno.test("ExactSums: any order and any grouping gives the same bits", () => {
  fc.assert(
    fc.property(
      fc.array(number, { maxLength: 40 }),
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      fc.nat(40),
      fc.nat(40),
      (values, keys, i, j) => {
        const whole = sumOf(values).save();
        const shuffled = values.map((x, k) => [keys[k], x]).sort(([a], [b]) => a - b)
          .map(([, x]) => x);
        assertEquals(sumOf(shuffled).save(), whole);
        const [first, second] = i < j ? [i, j] : [j, i];
        const [a, b, c] = [
          values.slice(0, first),
          values.slice(first, second),
          values.slice(second),
        ].map(sumOf);
        assertEquals(merged(merged(a, b), c).save(), whole);
        assertEquals(merged(a, merged(b, c)).save(), whole);
        assertEquals(merged(c, b, a).save(), whole);
      },
    ),
    { seed: 1, numRuns: 1000 },
  );
});

Deno.test("ExactSums: a sum is right to 44 bits below its largest number", () => {
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 40 }), (values) => {
      const largest = Math.max(...values.map(Math.abs));
      if (largest > 1e300) return;
      const exact = values.reduce((sum, x) => sum + asInteger(x), 0n);
      const found = asInteger(sumOf(values).value(0));
      const off = found > exact ? found - exact : exact - found;
      // A unit of the last place kept for each number, and the rounding of the result.
      const bound = asInteger(largest) * BigInt(values.length) / (1n << 44n) +
        (exact < 0n ? -exact : exact) / (1n << 50n) + BigInt(values.length);
      assert(off <= bound, `${off} > ${bound}`);
    }),
    { seed: 2, numRuns: 1000 },
  );
});

Deno.test("ExactSums: numbers beyond float64 have exponents of their own", () => {
  const sums = new ExactSums(2);
  for (let i = 0; i < 100; i++) sums.add(0, 1.5, 30 * i);
  for (let i = 99; i >= 0; i--) sums.add(1, 1.5, 30 * i);
  const [a, b] = [sums.scaled(0), sums.scaled(1)];
  assertEquals(a, b);
  assertEquals(a.value * 2 ** (a.exponent - 2970), 1.5 + 1.5 * 2 ** -30);
  fc.assert(
    fc.property(number, fc.integer({ min: -40, max: 40 }), (x, shift) => {
      const [plain, shifted] = [new ExactSums(1), new ExactSums(1)];
      // Such as a float64 holds either way.
      if (x !== 0 && !(Math.abs(x) > 1e-200 && Math.abs(x) < 1e200)) return;
      plain.add(0, x * 2 ** shift);
      shifted.add(0, x, shift);
      assertEquals(shifted.save(), plain.save());
    }),
    { seed: 3, numRuns: 300 },
  );
});

Deno.test("ExactSums: what was saved is loaded if adding can have led to it", () => {
  const sums = sumOf([3, -1e-9, 1e9]);
  const saved = sums.save();
  assertEquals(ExactSums.load(saved, 3)!.save(), saved);
  assertEquals(ExactSums.load(new ExactSums(4).save(), 0)!.length, 4);
  const spoilt = (at: number, digit: number) => {
    const digits = saved.digits.slice();
    digits[at] = digit;
    return ExactSums.load({ ...saved, digits }, 3);
  };
  for (const digit of [0.5, NaN, Infinity, 2 ** 53, -(2 ** 40), -0]) {
    assertEquals(spoilt(1, digit), undefined, String(digit));
  }
  assertEquals(ExactSums.load({ ...saved, digits: new Float64Array(2) }, 3), undefined);
  const places = Float64Array.of(-0x80000000);
  assertEquals(ExactSums.load({ ...saved, places }, 3), undefined, "digits of nothing");
});

Deno.test("ExactSums: what is no number, or too many numbers, is refused", () => {
  const sums = new ExactSums(1);
  for (const x of [NaN, Infinity, -Infinity]) assertThrows(() => sums.add(0, x), RangeError);
  assertEquals(sums.value(0), 0);
  assertThrows(() => sums.merge(new ExactSums(2)), RangeError, "2 sums");
  const full = ExactSums.load(
    { places: Float64Array.of(0), digits: Float64Array.of(2 ** 31 * (2 ** 22 - 1), 0, 0) },
    2 ** 31,
  )!;
  assertThrows(
    () => {
      const twice = ExactSums.load(full.save(), 2 ** 31)!;
      twice.merge(full);
      twice.merge(full);
    },
    RangeError,
    "at most",
  );
});
