/** Element by element over tensors that have their channels last. */
import { assertEquals } from "@std/assert";
import {
  add,
  bfloat16,
  conv2d,
  type Device,
  type DType,
  float16,
  float32,
  gt,
  manualSeed,
  mul,
  randn,
  sigmoid,
  type Tensor,
  where,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** A tensor with its channels last, and the same numbers in order. */
async function both(shape: number[], dtype: DType, device: Device): Promise<[Tensor, Tensor]> {
  const weight = randn([shape[1], shape[1], 1, 1], { dtype, device });
  const last = conv2d(randn(shape, { dtype, device }), weight);
  const plain = last.clone();
  const ordered = plain.reshape(-1).clone().reshape(shape);
  await ordered.data();
  return [last, ordered];
}

eachBackend("the same numbers come out in either order, and the order stays", async (device) => {
  manualSeed(3);
  for (const dtype of [float32, float16, bfloat16]) {
    for (const [n, c, h, w] of [[2, 8, 3, 5], [1, 16, 1, 7], [2, 5, 4, 4], [3, 8, 1, 1]]) {
      const [x, plainX] = await both([n, c, h, w], dtype, device);
      const [y, plainY] = await both([n, c, h, w], dtype, device);
      const others = [[1], [c, 1, 1], [n, c, 1, 1], [n, 1, h, w], [h, w], [c, h, w], [1, c, 1, 1]]
        .map((shape) => randn(shape, { dtype, device }));
      const check = async (a: Tensor, b: Tensor) => {
        assertEquals([a.shape, a.dtype], [b.shape, b.dtype]);
        assertEquals(await a.bytes(), await b.bytes(), `${dtype.name} (${a.shape})`);
      };
      await check(sigmoid(x), sigmoid(plainX));
      await check(add(x, y), add(plainX, plainY));
      await check(add(x, plainY), add(plainX, plainY));
      await check(where(gt(x, 0), x, y), where(gt(plainX, 0), plainX, plainY));
      for (const other of dtype === float32 ? others : others.slice(1, 3)) {
        await check(mul(x, other), mul(plainX, other));
      }
      if (dtype === float32 && c % 4 === 0) {
        assertEquals(add(x, y).isChannelsLast, true);
        assertEquals(mul(x, others[2]).isChannelsLast, true);
      }
    }
  }
});
