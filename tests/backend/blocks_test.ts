import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { blockOf, collapseBlocks, countBlocks } from "../../lib/backend/blocks.ts";
import {
  decodeMinMaxState,
  emptyMinMaxState,
  floatKey,
  keyFloat,
} from "../../lib/backend/minmax_state.ts";
import { blockOfIndices } from "../oracles.ts";

/** A dimension as blocks of a size. */
const dim = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }));

Deno.test("collapsed dimensions number the same blocks in the same order", () => {
  fc.assert(
    fc.property(fc.array(dim, { maxLength: 5 }), (spec) => {
      const shape = spec.map(([block, count]) => block * count);
      const blockSize = spec.map(([block]) => block);
      const dims = collapseBlocks(shape, blockSize);
      assert(dims.length <= Math.max(1, shape.length));
      assertEquals(countBlocks(dims), spec.reduce((product, [, count]) => product * count, 1));
      const numel = shape.reduce((a, b) => a * b, 1);
      for (let i = 0; i < numel; i++) {
        assertEquals(blockOf(i, dims), blockOfIndices(i, shape, blockSize));
      }
    }),
    { seed: 5, numRuns: 150 },
  );
});

Deno.test("the usual granularities need one dimension", () => {
  for (
    const [shape, block] of [
      [[4, 6, 8], [4, 6, 8]],
      [[4, 6, 8], [1, 1, 8]],
      [[4, 6, 8], [1, 6, 8]],
      [[4, 6, 8], [1, 1, 2]],
      [[], []],
      [[1, 1], [1, 1]],
    ]
  ) assertEquals(collapseBlocks(shape, block).length, 1, `${shape} in ${block}`);
});

Deno.test("keys order as the floats do and lead back to them", () => {
  const any = fc.integer({ min: 0, max: 0xffffffff }).map((bits) => {
    const x = new Float32Array(Uint32Array.of(bits).buffer)[0];
    return Number.isNaN(x) ? 0 : x;
  });
  fc.assert(
    fc.property(any, any, (a, b) => {
      if (a < b) assert(floatKey(a) < floatKey(b));
      if (a > b) assert(floatKey(a) > floatKey(b));
      assert(Object.is(keyFloat(floatKey(a)), a));
    }),
    { seed: 6, numRuns: 5_000 },
  );
  assert(floatKey(-0) < floatKey(0));
  assert(floatKey(-Infinity) < floatKey(-3.4028234663852886e38));
});

Deno.test("an empty state has met no batch", () => {
  const state = emptyMinMaxState(3);
  assertEquals(state.byteLength, 7 * 4);
  assertEquals(decodeMinMaxState(state).badBatch, undefined);
});
