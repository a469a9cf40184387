import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { computeError, tensor, zeros } from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

eachBackend("computeError is the ratio of norms in decibels", async () => {
  // ‖(3, 4)‖ = 5, ‖(0, 0.05)‖ = 0.05: a hundredth, 40 dB.
  assertAlmostEquals(await computeError(tensor([3, 4]), tensor([3, 4.05])), 40, 1e-4);
  assertAlmostEquals(await computeError(tensor([1, 0]), tensor([0, 0])), 0, 1e-12);
  assertAlmostEquals(await computeError(tensor([1]), tensor([11])), -20, 1e-9);
});

eachBackend("agreement is infinite, also of zeros", async () => {
  assertEquals(await computeError(tensor([1, 2]), tensor([1, 2])), Infinity);
  assertEquals(await computeError(zeros([3]), zeros([3])), Infinity);
});

eachBackend("all noise and no signal is minus infinity", async () => {
  assertEquals(await computeError(zeros([1]), tensor([1])), -Infinity);
});

eachBackend("computeError refuses shapes that differ, equal counts too", async () => {
  await assertRejects(
    () => computeError(zeros([2, 3]), zeros([3, 2])),
    RangeError,
    "computeError: shapes (2, 3) and (3, 2) differ",
  );
});
