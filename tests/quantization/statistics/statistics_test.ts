import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ChannelMaxima } from "../../../lib/quantization/statistics/channel_maxima.ts";
import { ChannelSums } from "../../../lib/quantization/statistics/channel_sums.ts";
import { Covariance } from "../../../lib/quantization/statistics/covariance.ts";
import { columnsOf, type ReadRows, rowLength } from "../../../lib/quantization/statistics/rows.ts";
import type { SavedTensors, Statistic } from "../../../lib/quantization/statistics/statistic.ts";

interface Sample {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

const image: ReadRows = {
  channels: { axis: 1, count: 4 },
  groups: 2,
  window: { kernel: [2, 3], strides: [1, 2], dilations: [1, 1], pads: [[0, 1], [1, 1]] },
};

/** Statistics of images of 4 channels. */
const MAKERS: readonly (() => Statistic)[] = [
  () => new ChannelMaxima({ axis: 1, count: 4 }),
  () => new ChannelSums({ axis: 1, count: 4 }),
  () => new Covariance({ channels: { axis: 1, count: 4 }, groups: 1 }),
  () => new Covariance(image),
];

const finite = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -4, max: 4 }),
);
const samples = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 3 })).chain(([n, width]) =>
    fc.array(finite, { minLength: n * 4 * 2 * width, maxLength: n * 4 * 2 * width })
      .map((data): Sample => ({ data: Float32Array.from(data), dims: [n, 4, 2, width] }))
  ),
  { maxLength: 5 },
);

function seen(make: () => Statistic, list: readonly Sample[]): Statistic {
  const statistic = make();
  for (const { data, dims } of list) statistic.observe(data, dims);
  return statistic;
}

function merged(make: () => Statistic, ...parts: readonly Statistic[]): Statistic {
  const all = make();
  for (const part of parts) all.merge(part);
  return all;
}

Deno.test("statistics: any order of samples, any grouping and order of parts, saved or not: the same bits", () => {
  for (const make of MAKERS) {
    fc.assert(
      fc.property(samples, samples, samples, (x, y, z) => {
        const whole = seen(make, [...x, ...y, ...z]).save();
        assertEquals(seen(make, [...z.toReversed(), ...x, ...y]).save(), whole);
        const [a, b, c] = [x, y, z].map((part) => seen(make, part));
        assertEquals(merged(make, merged(make, a, b), c).save(), whole);
        assertEquals(merged(make, a, merged(make, b, c)).save(), whole);
        const again = [c, b, a].map((part) => make().loaded(part.save(), 5) as Statistic);
        assertEquals(merged(make, ...again).save(), whole);
      }),
      { seed: 1, numRuns: 100 },
    );
  }
});

/** Numbers that look random. */
function noise(...dims: number[]): Sample {
  let state = 7 + dims.length;
  const length = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 30 - 2;
  });
  return { data, dims };
}

Deno.test("statistics: maxima, means and mean squares are those of plain loops, along either axis", () => {
  const { data, dims } = noise(3, 4, 5);
  for (const [axis, count] of [[1, 4], [-1, 5]]) {
    const channel = (i: number) => axis === 1 ? Math.floor(i / 5) % 4 : i % 5;
    const lists = Array.from(
      { length: count },
      (_, c) => [...data].filter((_, i) => channel(i) === c),
    );
    const maxima = new ChannelMaxima({ axis, count });
    const sums = new ChannelSums({ axis, count });
    for (const each of [maxima, sums]) each.observe(data, dims);
    assertEquals([...maxima.maxima], lists.map((list) => Math.max(...list.map(Math.abs))));
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    lists.forEach((list, c) => {
      assertAlmostEquals(sums.means()[c], mean(list), 1e-12);
      assertAlmostEquals(sums.meanSquares()[c], mean(list.map((x) => x * x)), 1e-12);
    });
    assertEquals(sums.count, 60 / count);
  }
});

Deno.test("covariance: rows of a matrix product and of a convolution, as these multiply them", () => {
  const { data, dims } = noise(2, 4, 5, 6);
  // A row of the last axis.
  const plain = new Covariance({ channels: { axis: -1, count: 6 }, groups: 1 });
  plain.observe(data, dims);
  assertEquals([plain.size, plain.count], [6, 40]);
  const expected = (i: number, j: number) => {
    let sum = 0;
    for (let r = 0; r < 40; r++) sum += data[6 * r + i] * data[6 * r + j];
    return sum;
  };
  plain.matrix().forEach((x, at) => {
    assertAlmostEquals(x, expected(Math.floor(at / 6), at % 6), 1e-11);
  });
  // Patches, by plain indices.
  const rows: number[][][] = [[], []];
  const at = (n: number, c: number, y: number, x: number) =>
    y < 0 || y >= 5 || x < 0 || x >= 6 ? 0 : data[((n * 4 + c) * 5 + y) * 6 + x];
  for (let n = 0; n < 2; n++) {
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 3; x++) {
        for (const g of [0, 1]) {
          const row: number[] = [];
          for (let c = 0; c < 2; c++) {
            for (let ky = 0; ky < 2; ky++) {
              for (let kx = 0; kx < 3; kx++) row.push(at(n, 2 * g + c, y + ky, 2 * x + kx - 1));
            }
          }
          rows[g].push(row);
        }
      }
    }
  }
  assertEquals(rowLength(image), 12);
  const [{ columns, n }] = columnsOf(image, data, dims);
  assertEquals(n, rows[0].length);
  const found = rows.map((_, g) =>
    Array.from(
      { length: n },
      (_, r) => Array.from({ length: 12 }, (_, k) => columns[(g * 12 + k) * n + r]),
    )
  );
  assertEquals(found, rows);
  const covariance = new Covariance(image);
  covariance.observe(data, dims);
  for (const g of [0, 1]) {
    covariance.matrix(g).forEach((x, at) => {
      const [i, j] = [Math.floor(at / 12), at % 12];
      assertAlmostEquals(x, rows[g].reduce((sum, row) => sum + row[i] * row[j], 0), 1e-11);
    });
  }
});

Deno.test("covariance: SAME padding puts the odd one behind or before", () => {
  const { data, dims } = noise(1, 1, 4);
  const window = { kernel: [2], strides: [1], dilations: [1] };
  const channels = { axis: 1, count: 1 };
  const columns = (pads: "SAME_UPPER" | "SAME_LOWER") => [
    ...[...columnsOf({ channels, groups: 1, window: { ...window, pads } }, data, dims)][0].columns,
  ];
  const [a, b, c, d] = data;
  assertEquals(columns("SAME_UPPER"), [a, b, c, d, b, c, d, 0]);
  assertEquals(columns("SAME_LOWER"), [0, a, b, c, a, b, c, d]);
});

Deno.test("statistics: what observing cannot have led to is not loaded", () => {
  const sample = noise(1, 4, 2, 3);
  for (const make of MAKERS) {
    const statistic = seen(make, [sample]);
    const saved = statistic.save();
    assertEquals((make().loaded(saved, 1) as Statistic).save(), saved);
    for (const [name, entry] of saved) {
      const size = entry.bytes.length / entry.shape[0];
      const other = (bytes: Uint8Array): SavedTensors =>
        new Map([...saved, [name, { ...entry, bytes, shape: [bytes.length / size] }]]);
      assertEquals(
        make().loaded(new Map([...saved].filter(([key]) => key !== name)), 1),
        undefined,
      );
      assertEquals(make().loaded(other(entry.bytes.slice(size)), 1), undefined, name);
      const wild = entry.bytes.slice().fill(0xfe);
      assertEquals(
        make().loaded(new Map([...saved, [name, { ...entry, bytes: wild }]]), 1),
        undefined,
      );
    }
  }
});

Deno.test("statistics: an activation with other channels than its weight is refused", () => {
  const sums = new ChannelSums({ axis: 1, count: 4 });
  assertThrows(() => sums.observe(new Float32Array(6), [1, 3, 2]), RangeError, "4 channels");
});
