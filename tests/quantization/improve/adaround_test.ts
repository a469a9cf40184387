import { assert, assertEquals, assertThrows } from "@std/assert";
import { adaround, type AdaRoundOptions } from "../../../lib/quantization/improve/adaround.ts";
import { gptq } from "../../../lib/quantization/improve/gptq.ts";
import { refitted } from "../../../lib/quantization/improve/refit.ts";
import { errorOf, numbers, problem } from "./rounding_problem.ts";

/** The least error that integers next to the numbers of one row can have: all are tried. */
function leastError(all: ReturnType<typeof problem>, scale: number): number {
  const { weight, columns } = all;
  let least = Infinity;
  for (let ups = 0; ups < 2 ** columns; ups++) {
    const integers = Array.from(weight, (w, k) => Math.floor(w / scale) + (ups >> k & 1));
    least = Math.min(least, errorOf(all, integers, () => scale));
  }
  return least;
}

Deno.test("adaround finds what trying all finds, or nearly", () => {
  let [ours, best, theirs] = [0, 0, 0];
  for (let seed = 1; seed <= 12; seed++) {
    const all = problem(1, 10, seed);
    const scales = [0.25];
    const options = { quantMin: -8, quantMax: 8, scales, damping: 0 };
    const { integers, error } = adaround(all.weight, all.covariance, 1, options);
    const own = errorOf(all, integers, () => 0.25);
    assert(Math.abs(error - own) < 1e-6 * own, `${error} ${own}`);
    ours += own;
    best += leastError(all, 0.25);
    theirs += errorOf(all, gptq(all.weight, all.covariance, 1, options).integers, () => 0.25);
  }
  assert(ours < 1.02 * best, `${ours} of ${best}`);
  assert(ours < theirs, `${ours}, gptq ${theirs}`);
});

Deno.test("adaround loses no more than gptq in any row, by rows and by groups", () => {
  const { weight, covariance, rows, columns } = problem(12, 48);
  for (const groupSize of [undefined, 20]) {
    for (const most of [7, 127]) {
      const options: AdaRoundOptions = { quantMin: -most, quantMax: most, groupSize };
      let calls = 0;
      for (let r = 0; r < rows; r++) {
        const row = weight.slice(r * columns, (r + 1) * columns);
        const ours = adaround(row, covariance, 1, { ...options, onRows: () => calls++ });
        const theirs = gptq(row, covariance, 1, options);
        assert(ours.error <= theirs.error * (1 + 1e-9));
        assertEquals(ours.scales, theirs.scales);
        assert(ours.integers.every((q) => Math.abs(q) <= most));
      }
      assert(calls >= rows);
      const all = adaround(weight, covariance, rows, options);
      assert(all.error < gptq(weight, covariance, rows, options).error);
      assertEquals(adaround(weight, covariance, rows, options), all, "the same again");
    }
  }
});

Deno.test("adaround: zero points and limits", () => {
  const unsigned = { quantMin: 0, quantMax: 15, zeroPoints: [8, 3], scales: [0.1, 0.2] };
  const { integers } = adaround([0.31, -0.74, 0.5, 9], [1, 0, 0, 9], 2, unsigned);
  assertEquals([...integers], [11, 1, 5, 15]);
  assertEquals(adaround([], [], 1, { quantMin: -1, quantMax: 1 }).integers.length, 0);
});

Deno.test("adaround with cross products makes up for what its inputs are off by", () => {
  // What is read is what the float layer reads, less a part, with noise.
  const random = numbers(5);
  const [columns, samples] = [8, 400];
  const weight = Float64Array.from({ length: 2 * columns }, () => random.next().value);
  const pairs = Array.from({ length: samples }, () => {
    const x = Array.from({ length: columns }, () => random.next().value);
    return { x, y: x.map((a, k) => 0.7 * a + 0.2 * x[(k + 1) % columns] + 0.02 * a ** 2) };
  });
  const sums = (a: "x" | "y", b: "x" | "y") => {
    const sum = new Float64Array(columns ** 2);
    for (const pair of pairs) {
      pair[a].forEach((p, i) => pair[b].forEach((q, j) => sum[i * columns + j] += p * q));
    }
    return sum;
  };
  const off = (matrix: ArrayLike<number>) => {
    let sum = 0;
    for (const { x, y } of pairs) {
      for (let r = 0; r < 2; r++) {
        let error = 0;
        for (let k = 0; k < columns; k++) {
          error += weight[r * columns + k] * x[k] - matrix[r * columns + k] * y[k];
        }
        sum += error ** 2;
      }
    }
    return sum;
  };
  const options = { quantMin: -127, quantMax: 127, damping: 1e-6, refitDamping: 1e-6 };
  const floats = ({ integers, scales }: ReturnType<typeof adaround>) =>
    Array.from(integers, (q, i) => q * scales[Math.floor(i / columns)]);
  const plain = off(floats(adaround(weight, sums("y", "y"), 2, options)));
  const fitted = adaround(weight, sums("y", "y"), 2, { ...options, cross: sums("x", "y") });
  assert(off(floats(fitted)) < plain / 50, `${off(floats(fitted))} of ${plain}`);
  const target = refitted(weight, sums("y", "y"), sums("x", "y"), 2, 1e-9)!;
  assert(off(target) < off(floats(fitted)));
  // Where nothing is known it stays what it was.
  const zeros = new Float64Array(columns ** 2);
  assertEquals([...refitted(weight, zeros, zeros, 2, 0.1)!], [...weight]);
});

Deno.test("adaround refuses what does not fit, and ends where it is told to", () => {
  const round =
    (change: Partial<AdaRoundOptions>, weight = [1, 2], covariance = [1, 0, 0, 1]) => () =>
      adaround(weight, covariance, 1, { quantMin: -8, quantMax: 7, ...change });
  assertThrows(round({}, [1, 2, 3]), RangeError, "adaround: the covariance has 4");
  assertThrows(round({ refitDamping: -1 }), RangeError, "refitDamping");
  assertThrows(round({ cross: [1] }), RangeError, "adaround: cross has 1");
  assertThrows(round({ cross: [1, NaN, 0, 1] }), RangeError, "cross is not");
  assertThrows(round({}, [1, 2], [NaN, 0, 0, 1]), RangeError, "finite");
  assertThrows(round({ cross: [1, 0, 0, 1] }, [1, 2], [1, 0, 0, Infinity]), RangeError, "finite");
  assertThrows(round({ bits: 4 } as Partial<AdaRoundOptions>), TypeError, "bits");
  const onRows = () => {
    throw new Error("over");
  };
  assertThrows(round({ onRows }), Error, "over");
});
