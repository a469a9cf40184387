/** Comparing what is computed with what was recorded. */
import { assertEquals } from "@std/assert";
import { finfo, float32, type Tensor } from "../mod.ts";

/**
 * Fails unless two tensors have the same shape and dtype, and numbers that differ by no more than 1e-5
 * of the largest, or one step of a 16-bit dtype.
 */
export async function assertNear(actual: Tensor, expected: Tensor, name: string): Promise<void> {
  assertEquals(actual.shape, expected.shape, `shape of ${name}`);
  assertEquals(actual.dtype.name, expected.dtype.name, `dtype of ${name}`);
  const [ys, zs] = [[...await actual.data()], [...await expected.data()]];
  const most = Math.max(0, ...zs.map(Math.abs).filter(Number.isFinite));
  const share = actual.dtype === float32 ? 1e-5 : finfo(actual.dtype).eps;
  zs.forEach((z, i) => {
    const near = Object.is(ys[i], z) || Math.abs(ys[i] - z) <= share * most;
    if (!near) throw new Error(`${name}: element ${i} is ${ys[i]}, the reference has ${z}`);
  });
}
