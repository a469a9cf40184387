import { assert, assertEquals, assertThrows } from "@std/assert";
import { gptq, type GptqOptions } from "../../../lib/quantization/improve/gptq.ts";
import { errorOf, problem } from "./rounding_problem.ts";

const nearest = (x: number, most: number) => Math.max(-most, Math.min(most, Math.round(x)));

/** GPTQ as the paper writes it: with the inverse of the covariance, eliminated column by column. */
function byTheBook(row: number[], covariance: Float64Array, scale: number, most: number) {
  const size = row.length;
  const order = row.map((_, k) => k).sort((a, b) =>
    covariance[b * size + b] - covariance[a * size + a] || b - a
  );
  const trace = row.reduce((sum, _, k) => sum + covariance[k * size + k], 0);
  // Gauss and Jordan.
  const left = order.map((i, r) =>
    order.map((j, c) => covariance[i * size + j] + (r === c ? 0.01 * trace / size : 0))
  );
  const inverse = order.map((_, r) => order.map((_, c) => Number(r === c)));
  for (let k = 0; k < size; k++) {
    const pivot = left[k][k];
    for (let c = 0; c < size; c++) {
      [left[k][c], inverse[k][c]] = [left[k][c] / pivot, inverse[k][c] / pivot];
    }
    for (let r = 0; r < size; r++) {
      const factor = left[r][k];
      if (r === k) continue;
      for (let c = 0; c < size; c++) {
        left[r][c] -= factor * left[k][c];
        inverse[r][c] -= factor * inverse[k][c];
      }
    }
  }
  const w = order.map((k) => row[k]);
  const integers = new Array<number>(size);
  for (let k = 0; k < size; k++) {
    const q = nearest(w[k] / scale, most);
    integers[order[k]] = q;
    const off = (w[k] - q * scale) / inverse[k][k];
    for (let j = k + 1; j < size; j++) w[j] -= off * inverse[k][j];
    for (let i = k + 1; i < size; i++) {
      const factor = inverse[i][k] / inverse[k][k];
      for (let j = k + 1; j < size; j++) inverse[i][j] -= factor * inverse[k][j];
    }
  }
  return integers;
}

Deno.test("gptq gives the integers of the paper's elimination", () => {
  for (const [rows, columns] of [[1, 6], [5, 17], [9, 40]]) {
    const { weight, covariance } = problem(rows, columns, columns);
    const scales = Array.from({ length: rows }, (_, r) => 0.1 + 0.01 * r);
    const { integers } = gptq(weight, covariance, rows, { quantMin: -8, quantMax: 8, scales });
    for (let r = 0; r < rows; r++) {
      const own = (all: ArrayLike<number>) =>
        Array.from({ length: columns }, (_, k) => all[r * columns + k]);
      assertEquals(own(integers), byTheBook(own(weight), covariance, Math.fround(scales[r]), 8));
    }
  }
});

Deno.test("gptq loses less than rounding to the nearest, by rows and by groups", () => {
  const all = problem(12, 48);
  const { weight, covariance, rows, columns } = all;
  for (const groupSize of [undefined, 20]) {
    for (const most of [7, 127]) {
      const options: GptqOptions = { quantMin: -most, quantMax: most, groupSize };
      const { integers, scales, error } = gptq(weight, covariance, rows, options);
      const groups = groupSize ? 3 : 1;
      assertEquals(scales.length, rows * groups);
      const scaleOf = (r: number, k: number) =>
        scales[r * groups + (groupSize ? Math.floor(k / groupSize) : 0)];
      const plain = Array.from(
        weight,
        (w, i) => nearest(w / scaleOf(Math.floor(i / columns), i % columns), most),
      );
      const [ours, theirs] = [integers, plain].map((each) => errorOf(all, each, scaleOf));
      assert(10 * Math.log10(theirs / ours) > 3, `${ours} ${theirs}`);
      assert(error >= ours && error < 2 * ours);
      assert(integers.every((q) => Math.abs(q) <= most));
      assertEquals(gptq(weight, covariance, rows, options).integers, integers, "the same again");
    }
  }
});

Deno.test("gptq rounds to the nearest where inputs have nothing to do with each other", () => {
  const weight = [0.31, -0.74, 0.5, 2];
  const covariance = [1, 0, 0, 9];
  const { integers } = gptq(weight, covariance, 2, {
    ...{ quantMin: -8, quantMax: 7, scales: [0.1, 0.1], damping: 0 },
  });
  assertEquals([...integers], [3, -7, 5, 7]);
  const unsigned = { quantMin: 0, quantMax: 15, zeroPoints: [8, 3], scales: [0.1, 0.2] };
  assertEquals([...gptq(weight, covariance, 2, unsigned).integers], [11, 1, 5, 13]);
});

Deno.test("gptq: rows of zeros, inputs that are always 0, and none at all", () => {
  const options = { quantMin: -127, quantMax: 127 };
  const zero = gptq([0, 0, 1, 2], [1, 0, 0, 0], 2, options);
  assertEquals([[...zero.integers.subarray(0, 2)], zero.scales[0]], [[0, 0], 1]);
  assertEquals(zero.integers[3], 127);
  assert(gptq([1, 2], new Float64Array(4), 1, options).integers[1] === 127);
  assertEquals(gptq([], [], 1, options).integers.length, 0);
});

Deno.test("gptq refuses what does not fit", () => {
  const round =
    (change: Partial<GptqOptions>, weight = [1, 2], covariance = [1, 0, 0, 1], rows = 1) => () =>
      gptq(weight, covariance, rows, { quantMin: -8, quantMax: 7, ...change });
  assertThrows(round({}, [1, 2, 3], [1], 2), RangeError, "no 2 rows");
  assertThrows(round({}, [1, 2], [1, 2]), RangeError, "not 2 × 2");
  assertThrows(round({ groupSize: 0 }), RangeError, "groupSize");
  assertThrows(round({ scales: [1, 2] }), RangeError, "2 scales, not 1");
  assertThrows(round({ zeroPoints: [] }), RangeError, "0 zeroPoints");
  assertThrows(round({ quantMin: 0 }), RangeError, "integers from 0 to 7");
  assertThrows(round({ damping: NaN }), RangeError, "damping");
  assertThrows(round({}, [1, 2], [NaN, 0, 0, 1]), RangeError, "finite");
  assertThrows(round({ bits: 4 } as Partial<GptqOptions>), TypeError, "bits");
});
