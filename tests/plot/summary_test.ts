import { assertEquals } from "@std/assert";
import { summarize } from "../../lib/plot/summary.ts";

const ramp = (count: number) => Array.from({ length: count }, (_, i) => i);

Deno.test("a scalar, an empty and a short tensor are shown whole", () => {
  assertEquals(summarize([3.5], [], true), "3.5000");
  assertEquals(summarize([], [0, 4], true), "[]");
  assertEquals(summarize([1, 2, 3], [3], true), "[1., 2., 3.]");
  assertEquals(summarize([1, -20], [2], false), "[  1, -20]");
  assertEquals(summarize([1, NaN, -Infinity], [3], true), "[  1.,  nan, -inf]");
});

Deno.test("the middle of long dimensions is left out", () => {
  assertEquals(summarize(ramp(7), [7], false), "[0, 1, 2, …, 4, 5, 6]");
  assertEquals(
    summarize(ramp(49), [7, 7], false),
    [
      "[[ 0,  1,  2, …,  4,  5,  6],",
      " [ 7,  8,  9, …, 11, 12, 13],",
      " [14, 15, 16, …, 18, 19, 20],",
      " …,",
      " [28, 29, 30, …, 32, 33, 34],",
      " [35, 36, 37, …, 39, 40, 41],",
      " [42, 43, 44, …, 46, 47, 48]]",
    ].join("\n"),
  );
});

Deno.test("matrices of a stack are apart by an empty line", () => {
  assertEquals(summarize(ramp(4), [2, 1, 2], false), "[[[0, 1]],\n\n [[2, 3]]]");
});

Deno.test("very small numbers get an exponent", () => {
  assertEquals(summarize([0.00001, 0.00002], [2], true), "[1.0000e-5, 2.0000e-5]");
});
