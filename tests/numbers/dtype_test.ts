import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  bfloat16,
  bool,
  dtypes,
  finfo,
  float16,
  float32,
  iinfo,
  int16,
  int32,
  int4,
  int8,
  promoteTypes,
  uint8,
} from "../../mod.ts";
import { nearest } from "../oracles.ts";

Deno.test("every dtype stands under its own name, frozen", () => {
  assertEquals(Object.keys(dtypes).length, 24);
  for (const [name, dtype] of Object.entries(dtypes)) {
    assertEquals(dtype.name, name);
    assertEquals(String(dtype), name);
    assert(Object.isFrozen(dtype));
  }
});

Deno.test("integer ranges follow from signedness and width", () => {
  for (const dtype of Object.values(dtypes).filter((d) => !d.isFloat && d !== bool)) {
    const [, sign, bits] = dtype.name.match(/^(u?)int(\d+)$/)!;
    const width = Number(bits);
    const [min, max] = sign ? [0, 2 ** width - 1] : [-(2 ** (width - 1)), 2 ** (width - 1) - 1];
    assertEquals(iinfo(dtype), { min, max });
    assertEquals(dtype.itemSize, Math.ceil(width / 8));
  }
});

Deno.test("float limits are where rounding changes", () => {
  for (const dtype of [float32, float16, bfloat16]) {
    const { eps, tiny, min, max, bits } = finfo(dtype);
    assertEquals(bits, dtype.itemSize * 8);
    assertEquals(min, -max);
    assertEquals(nearest(dtype, max), max, "max is a value of the dtype");
    assertEquals(nearest(dtype, max * (1 + eps)), Infinity, "there is none above it");
    assertEquals(nearest(dtype, 1 + eps), 1 + eps);
    assertEquals(nearest(dtype, 1 + eps / 2), 1, "eps is the least step from 1");
    assertEquals(nearest(dtype, tiny * (1 + eps)), tiny * (1 + eps), "tiny has all its digits");
    assertEquals(nearest(dtype, tiny / 2 * (1 + eps)), tiny / 2, "what lies below has not");
  }
  assertEquals(finfo(float32).eps, 1.1920928955078125e-7);
  assertEquals(finfo(float16).max, 65504);
  assertEquals(finfo(bfloat16).max, 3.3895313892515355e38);
});

Deno.test("finfo and iinfo refuse the other kind and say which to use", () => {
  assertThrows(() => finfo(int8), TypeError, "finfo: int8 is not a float type; use iinfo");
  assertThrows(() => iinfo(float16), TypeError, "iinfo: float16 is not an integer type; use finfo");
});

Deno.test("types promote as in PyTorch, whatever the order", () => {
  const cases = [
    [float32, float32, float32],
    [float16, float32, float32],
    [bfloat16, float32, float32],
    [float16, bfloat16, float32],
    [bfloat16, bfloat16, bfloat16],
    [float16, int32, float16],
    [bfloat16, uint8, bfloat16],
    [int8, int32, int32],
    [int16, int4, int16],
  ] as const;
  for (const [a, b, expected] of cases) {
    assertStrictEquals(promoteTypes(a, b), expected);
    assertStrictEquals(promoteTypes(b, a), expected);
  }
});
