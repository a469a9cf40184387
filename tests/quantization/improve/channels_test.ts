import { assertAlmostEquals, assertEquals } from "@std/assert";
import { channelsTwice, outliersToCopy } from "../../../lib/quantization/improve/channel_copies.ts";
import { ChannelEnds, shiftsOf } from "../../../lib/quantization/improve/channel_shifts.ts";
import { outliersToSplit } from "../../../lib/quantization/improve/channel_splits.ts";

Deno.test("channels are there once more behind all others, whatever their axis", () => {
  const rows = channelsTwice([1, 2, 3, 4], [2, 2], { axis: 0, channels: [1], factor: 0.5 });
  assertEquals(rows, { data: Float32Array.of(1, 2, 1.5, 2, 1.5, 2), dims: [3, 2] });
  const columns = channelsTwice([1, 2, 3, 4], [2, 2], { axis: 1, channels: [0], factor: 1 });
  assertEquals(columns, { data: Float32Array.of(1, 2, 1, 3, 4, 3), dims: [2, 3] });
  const middle = channelsTwice([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2], {
    ...{ axis: 1, channels: [1, 0], factor: 2 },
  });
  assertEquals(middle.dims, [2, 4, 2]);
  assertEquals([...middle.data.subarray(8)], [10, 12, 14, 16, 14, 16, 10, 12]);
});

Deno.test("channels are made twice as long as the range narrows by it, one of sixteen at most", () => {
  const even = new Array(64).fill(1);
  assertEquals(outliersToCopy(even.with(9, 8).with(3, 6)), {
    channels: [3, 9],
    gain: 20 * Math.log10(2),
  });
  // The second is no greater than half of the first, so that copying it brings nothing.
  assertEquals(outliersToCopy(even.with(9, 8).with(3, 4)).channels, [9]);
  assertEquals(outliersToCopy(new Array(64).fill(0)), { channels: [], gain: 0 });
});

Deno.test("channels are split off where they are far above the others, eight at most", () => {
  const even = new Array(64).fill(1);
  assertEquals(outliersToSplit(even.with(9, 8).with(3, 10)), { channels: [3, 9], gain: 20 });
  assertEquals(outliersToSplit(even), { channels: [], gain: 0 });
  assertEquals(outliersToSplit(new Array(64).fill(0)), { channels: [], gain: 0 });
  assertEquals(outliersToSplit([1, 2]), { channels: [], gain: 0 });
});

Deno.test("channels are lowered by what they always hold, or to their middle", () => {
  const ends = new ChannelEnds({ axis: 1, count: 2 });
  ends.observe(Float32Array.of(10, 14, 0, 2), [1, 2, 2]);
  ends.observe(Float32Array.of(12, -1), [1, 2]);
  assertEquals([[...ends.min], [...ends.max]], [[10, -1], [14, 2]]);
  // A quarter of the range is left below where a ReLU cuts.
  const cut = shiftsOf(ends, true);
  assertEquals(cut.shifts, [9, 0]);
  assertAlmostEquals(cut.gain, 20 * Math.log10(15 / 6));
  const middle = shiftsOf(ends, false);
  assertEquals(middle.shifts, [12, 0.5]);
  assertAlmostEquals(middle.gain, 20 * Math.log10(15 / 4));
});
