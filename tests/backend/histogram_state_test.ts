import { assertEquals, assertThrows } from "@std/assert";
import {
  BINS,
  countValue,
  countValues,
  emptyHistogramState,
  histogramPrefix,
  histogramProblem,
  mergeHistograms,
  regrid,
} from "../../lib/backend/histogram_state.ts";
import { floatKey } from "../../lib/backend/minmax_state.ts";

/** A state of one block whose grid suits the values. */
function stateFor(values: Float32Array): Uint32Array {
  const words = new Uint32Array(emptyHistogramState(1).buffer);
  words[0] = floatKey(Math.min(...values));
  words[1] = floatKey(Math.max(...values));
  regrid(words, 1, 0);
  return words;
}

Deno.test("countValues: counts what countValue counts one by one", () => {
  for (const length of [1, 2, 7, 1000]) {
    for (const spread of [1e-30, 1, 1e30]) {
      const values = Float32Array.from({ length }, (_, i) => Math.sin(i * i) * spread * (i % 9));
      const [at, each] = [stateFor(values), stateFor(values)];
      countValues(at, values);
      values.forEach((x) => countValue(each, 1, 0, x));
      assertEquals(at, each);
    }
  }
});

Deno.test("countValues: a count beyond 32 bits goes on in the high word", () => {
  const values = Float32Array.of(1, 1, 1, 0);
  const words = stateFor(values);
  countValues(words, values);
  const low = histogramPrefix(1) + 2;
  const bin = words.indexOf(3, low);
  words[bin] = 0xfffffffe;
  countValues(words, values);
  assertEquals([words[bin], words[bin + BINS]], [1, 1]);
});

/** A state that has counted values. */
function counted(values: Float32Array): Uint32Array {
  const words = stateFor(values);
  countValues(words, values);
  return words;
}

/** Both together, in a copy of the first. */
function merged(a: Uint32Array, b: Uint32Array): Uint32Array {
  const words = a.slice();
  words[0] = Math.min(a[0], b[0]);
  words[1] = Math.max(a[1], b[1]);
  mergeHistograms(words, b, 1);
  return words;
}

Deno.test("mergeHistograms: grids of other widths, zeros left out or not: as all counted at once", () => {
  const lists = [[1e-30, 3], [1, 1000], [-700, 0.01], [1e30, 2], [-0.001, 0.002]].map((spread, k) =>
    Float32Array.from({ length: 300 }, (_, i) => Math.sin(i * i + k) * spread[i % 2])
  );
  for (const a of lists) {
    for (const b of lists) {
      const expected = counted(Float32Array.of(...a, ...b));
      const other = counted(b);
      assertEquals(merged(counted(a), other), expected);
      const length = other.findLastIndex((word) => word !== 0) + 1;
      const before = other.slice(0, length);
      assertEquals(histogramProblem(before, 1), undefined);
      assertEquals(merged(counted(a), before), expected);
      assertEquals(before, other.slice(0, length), "the second is left as it is");
    }
  }
});

Deno.test("mergeHistograms: counts go on in the high word, up to 2^53", () => {
  const low = histogramPrefix(1) + 2;
  const [a, b] = [counted(Float32Array.of(0, 1)), counted(Float32Array.of(0, 1))];
  a.set([0xffffffff, 5], low);
  b.set([3, 0xfffffffe], low);
  [a[low + BINS], b[low + BINS]] = [7, 9];
  const all = merged(a, b);
  assertEquals([all[low], all[low + BINS]], [2, 17]);
  assertEquals(all, merged(b, a));
  b[low + BINS] = (1 << 21) - 8;
  assertThrows(() => merged(a, b), RangeError, "2^53");
  b[low + BINS]--;
  assertEquals(merged(a, b)[low + BINS], (1 << 21) - 1);
});
