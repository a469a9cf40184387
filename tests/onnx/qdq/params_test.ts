import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { quantLimits, quantParams, representable } from "../../../lib/onnx/qdq/params.ts";

Deno.test("quantLimits: symmetric signed types leave the least integer out, a reduced range one bit", () => {
  const limits = (
    type: "int8" | "uint8" | "int4" | "uint4",
    symmetric: boolean,
    reduceRange = false,
  ) => quantLimits({ type, symmetric, reduceRange });
  assertEquals(limits("int8", true), [-127, 127]);
  assertEquals(limits("int8", false), [-128, 127]);
  assertEquals(limits("uint8", false), [0, 255]);
  assertEquals(limits("int8", true, true), [-63, 63]);
  assertEquals(limits("uint8", false, true), [0, 127]);
  assertEquals(limits("int4", true), [-7, 7]);
  assertEquals(limits("uint4", false), [0, 15]);
  // Two products of the reduced range fit into 16 bits.
  assert(2 * 255 * limits("int8", true, true)[1] < 2 ** 15);
});

Deno.test("quantParams: the range is widened to hold 0, whose integer is exact", () => {
  const spec = { type: "uint8", symmetric: false } as const;
  assertEquals(quantParams({ min: 1, max: 255 }, spec), { type: "uint8", scale: 1, zeroPoint: 0 });
  assertEquals(quantParams({ min: -255, max: -1 }, spec), {
    type: "uint8",
    scale: 1,
    zeroPoint: 255,
  });
  const { scale, zeroPoint } = quantParams({ min: -1, max: 3 }, spec);
  assertAlmostEquals(scale, 4 / 255, 1e-9);
  assertEquals(zeroPoint, 64);
  const symmetric = quantParams({ min: -1, max: 3 }, { type: "int8", symmetric: true });
  assertEquals(symmetric.zeroPoint, 0);
  assertAlmostEquals(symmetric.scale, 3 / 127, 1e-9);
});

Deno.test("quantParams: nothing but zeros has scale 1, and no scale is so small that products vanish", () => {
  const spec = { type: "int8", symmetric: true } as const;
  assertEquals(quantParams({ min: 0, max: 0 }, spec).scale, 1);
  const { scale } = quantParams({ min: 0, max: 1e-40 }, spec);
  assert(scale * scale > 2 ** -126);
});

Deno.test("representable: from the least to the greatest integer", () => {
  assertEquals(representable({ type: "uint8", scale: 0.5, zeroPoint: 10 }), {
    min: -5,
    max: 122.5,
  });
});
