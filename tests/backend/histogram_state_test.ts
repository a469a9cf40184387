import { assertEquals } from "@std/assert";
import {
  BINS,
  countValue,
  countValues,
  emptyHistogramState,
  histogramPrefix,
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
