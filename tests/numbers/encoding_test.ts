import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { decode, emptyArray, encode } from "../../lib/numbers/encoding.ts";
import { bfloat16, dtypes, float16, float32, int16, int32, int8, uint4, uint8 } from "../../mod.ts";
import { nearest, uniform } from "../oracles.ts";

Deno.test("what was encoded is decoded, at the ends of every dtype", () => {
  for (const dtype of Object.values(dtypes)) {
    const values = dtype.isFloat
      ? [0, 1, -1, dtype.max, dtype.min, Infinity, -Infinity, NaN]
      : [dtype.min, dtype.max, 0];
    const bytes = encode(values, dtype);
    assertEquals(bytes.byteLength, values.length * dtype.itemSize);
    const back = decode(bytes, dtype);
    assertInstanceOf(back, emptyArray(dtype, 0).constructor as new () => object);
    // float8_e4m3fn has no infinity, so what lies beyond its ends becomes them.
    const kept = dtype.name === "float8_e4m3fn"
      ? values.map((v) => Math.min(Math.max(v, dtype.min), dtype.max))
      : values;
    assertEquals([...back], kept);
  }
});

Deno.test("bytes are little-endian and in the dtype's own layout", () => {
  assertEquals([...encode([1], float32)], [0, 0, 0x80, 0x3f]);
  assertEquals([...encode([1], bfloat16)], [0x80, 0x3f]);
  assertEquals([...encode([1], float16)], [0, 0x3c]);
  assertEquals([...encode([-2], int32)], [0xfe, 0xff, 0xff, 0xff]);
  assertEquals([...encode([-2], int16)], [0xfe, 0xff]);
  assertEquals([...encode([-2, 127], int8)], [0xfe, 0x7f]);
  assertEquals([...encode([200], uint8)], [200]);
  assertEquals([...encode([15], uint4)], [15]);
});

Deno.test("encoding rounds to nearest, ties to even", () => {
  const values = uniform(3, 2000, -100, 100);
  for (const dtype of [float32, float16, bfloat16]) {
    assertEquals(
      [...decode(encode(values, dtype), dtype)],
      Array.from(values, (v) => nearest(dtype, v)),
    );
  }
});

Deno.test("a negative zero keeps its sign", () => {
  for (const dtype of [float32, float16, bfloat16]) {
    assertStrictEquals(decode(encode([-0], dtype), dtype)[0], -0);
  }
});

Deno.test("decoding reads a view at an odd offset and copies it", () => {
  const backing = new Uint8Array([9, 0x80, 0x3f, 9]);
  const back = decode(backing.subarray(1, 3), bfloat16);
  assertEquals([...back], [1]);
  backing.fill(0);
  assertEquals([...back], [1]);
});
