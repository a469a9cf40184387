import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  backendFor,
  bool,
  float16,
  int32,
  randn,
  scaledDotProductAttention,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

eachBackend("a query that may look at nothing gives zeros, as in PyTorch", async (device) => {
  const x = randn([1, 3, 4], { device });
  const seen = tensor([[1, 0, 0], [0, 0, 0], [1, 1, 1]], { dtype: bool, device });
  const added = tensor([[0, -Infinity, -Infinity], Array(3).fill(-Infinity), [0, 0, 0]], {
    device,
  });
  const first = (await x.data()).slice(0, 4);
  for (const attnMask of [seen, added]) {
    const y = await scaledDotProductAttention(x, x, x, { attnMask }).data();
    assertEquals(y.slice(0, 4), first);
    assertEquals([...y.slice(4, 8)], [0, 0, 0, 0]);
    assert(y.slice(8).every((v) => v !== 0));
  }
});

eachBackend("causal attention is that with a lower triangle, at any length", async (device) => {
  for (const [queries, keys] of [[1, 1], [5, 5], [3, 7], [7, 3], [17, 33]]) {
    const [q, k] = [randn([2, queries, 4], { device }), randn([2, keys, 4], { device })];
    const rows = Array.from(
      { length: queries },
      (_, i) => Array.from({ length: keys }, (_, j) => i >= j ? 1 : 0),
    );
    const attnMask = tensor(rows, { dtype: bool, device });
    const expected = await scaledDotProductAttention(q, k, k, { attnMask }).data();
    const actual = await scaledDotProductAttention(q, k, k, { isCausal: true }).data();
    assertEquals(actual, expected, `${queries} ${keys}`);
  }
});

eachBackend("attention frees all but its output", (device) => {
  const x = randn([1, 2, 5, 4], { device });
  const attnMask = zeros([5, 5], { device });
  scaledDotProductAttention(x, x, x, { isCausal: true }).dispose(); // what is made once stays
  const before = backendFor(device).memory().liveBuffers;
  for (const options of [{}, { isCausal: true }, { attnMask }]) {
    scaledDotProductAttention(x, x, x, options).dispose();
    assertEquals(backendFor(device).memory().liveBuffers, before);
  }
});

Deno.test("attention refuses what does not fit", () => {
  const of = (shape: number[]) => zeros(shape, { device: "cpu" });
  const refused = (
    error: typeof RangeError | typeof TypeError,
    message: string,
    ...args: unknown[]
  ) =>
    assertThrows(
      () => (scaledDotProductAttention as (...args: unknown[]) => Tensor)(...args),
      error,
      message,
    );
  const x = of([2, 3, 4]);
  refused(RangeError, "the query must have shape (…, length, size), got (4,)", of([4]), x, x);
  refused(
    RangeError,
    "as many keys as values, got shapes (2, 3, 4) and (2, 5, 4)",
    x,
    x,
    of([2, 5, 4]),
  );
  refused(RangeError, "(2, 3, 4) and (2, 3, 5)", x, of([2, 3, 5]), x);
  refused(TypeError, "give attnMask or isCausal, and not both", x, x, x, {
    isCausal: true,
    attnMask: of([3, 3]),
  });
  refused(RangeError, "attnMask", x, x, x, { attnMask: of([4, 4]) });
  refused(RangeError, "larger than the products", x, x, x, { attnMask: of([5, 2, 3, 3]) });
  refused(TypeError, "attnMask must be of bool or a float dtype, got int32", x, x, x, {
    attnMask: zeros([3, 3], { dtype: int32, device: "cpu" }),
  });
  refused(TypeError, "did you mean attnMask?", x, x, x, { attMask: of([3, 3]) });
  refused(TypeError, "key", x, [1], x);
  refused(TypeError, "float16", x, x.to(float16), x);
});
