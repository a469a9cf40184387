/** Tensors of one element whose number is known. */
import { assertEquals } from "@std/assert";
import { setKnownNumber } from "../../lib/tensor/known_number.ts";
import { add, bfloat16, float16, float32, int32, mul, neg, sub, tensor, where } from "../../mod.ts";
import { eachBackend } from "../backends.ts";

eachBackend("an expression takes the number instead of what lies in memory", async (device) => {
  for (const dtype of [float32, float16, bfloat16, int32]) {
    using x = tensor([1, 2, 3, 4], { shape: [2, 2], dtype, device });
    for (const shape of [[], [1], [1, 1], [1, 1, 1]]) {
      // Memory says something else, by which the two are told apart.
      using t = tensor([7], { shape, dtype, device });
      setKnownNumber(t, 3);
      using y = mul(x, t);
      assertEquals([y.dtype, y.shape], [dtype, shape.length < 3 ? [2, 2] : [1, 2, 2]]);
      assertEquals([...await y.data()], [3, 6, 9, 12], dtype.name);
      using z = where(sub(x, t), t, add(t, x));
      assertEquals([...await z.data()], [3, 3, 6, 3], dtype.name);
      using alone = neg(t);
      assertEquals([...await alone.data()], [-7]);
    }
  }
});

eachBackend("integers and floats are promoted as ever", async (device) => {
  using x = tensor([1, 2], { dtype: int32, device });
  using t = tensor([0.5], { device });
  setKnownNumber(t, 0.5);
  using y = mul(x, t);
  assertEquals([y.dtype, [...await y.data()]], [float32, [0.5, 1]]);
  using whole = tensor([1, 2.5], { device });
  using n = tensor([2], { dtype: int32, device });
  setKnownNumber(n, 2);
  assertEquals([...await mul(whole, n).data()], [2, 5]);
});
