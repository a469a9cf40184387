import * as std from "@std/assert";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";

/** Runs an assertion that must not hold. */
const refuses = (fn: () => unknown) => assertThrows(fn, AssertionError);

Deno.test("assertEquals compares by structure", () => {
  assertEquals({ a: [1, NaN, { b: undefined }] }, { a: [1, NaN, { b: undefined }] });
  assertEquals(new Float32Array([1, NaN]), new Float32Array([1, NaN]));
  assertEquals(new Map([["w", [1]], ["b", [2]]]), new Map([["b", [2]], ["w", [1]]]));
  assertEquals(new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 2 }, { a: 1 }]));
  assertEquals(0, -0);
  refuses(() => assertEquals(new Float32Array([1, 2]), new Float32Array([1, 3])));
  refuses(() => assertEquals<unknown>(new Int8Array([1]), new Uint8Array([1])));
  refuses(() => assertEquals<unknown>({ a: undefined }, {}));
  refuses(() => assertEquals(new Map([["w", [1]]]), new Map([["w", [2]]])));
  refuses(() => assertEquals<unknown>([1, 2], [1]));
  refuses(() => assertEquals<unknown>("1", 1));
  refuses(() => assertNotEquals([NaN], [NaN]));
});

Deno.test("assertEquals follows cycles", () => {
  const ring = (value: number) => {
    const node: Record<string, unknown> = { value };
    node.next = node;
    return node;
  };
  assertEquals(ring(1), ring(1));
  refuses(() => assertEquals(ring(1), ring(2)));
});

Deno.test("assertStrictEquals and assertAlmostEquals", () => {
  assertStrictEquals(NaN, NaN);
  refuses(() => assertStrictEquals(0, -0));
  refuses(() => assertStrictEquals<unknown>([1], [1]));
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(1, 1.5, 0.5);
  refuses(() => assertAlmostEquals(1, 1.001));
  refuses(() => assertAlmostEquals(NaN, 1, 10));
});

Deno.test("assertThrows returns the error and checks class and message", () => {
  const range = () => {
    throw new RangeError("scale must be positive");
  };
  assertStringIncludes(assertThrows(range, RangeError, "positive").message, "scale");
  assertThrows(range);
  refuses(() => assertThrows(range, TypeError));
  refuses(() => assertThrows(range, RangeError, "negative"));
  refuses(() => assertThrows(() => 1));
});

Deno.test("assertRejects wants a promise that rejects", async () => {
  const error = await assertRejects(() => Promise.reject(new TypeError("no")), TypeError, "no");
  assert(error instanceof TypeError);
  await assertRejects(() => assertRejects(() => Promise.resolve(1)), AssertionError);
  await assertRejects(
    () =>
      assertRejects(() => {
        throw new Error("too early");
      }),
    AssertionError,
  );
});

Deno.test("the other assertions hold and refuse", () => {
  std.assertMatch("int8", /^int\d$/);
  refuses(() => std.assertMatch("int8", /^uint/));
  refuses(() => assertStringIncludes("int8", "uint"));
  std.assertInstanceOf(new Error(), Error);
  refuses(() => std.assertInstanceOf({}, Error));
  std.assertExists(0);
  refuses(() => std.assertExists(null));
  std.assertGreater(2, 1);
  std.assertGreaterOrEqual(2, 2);
  std.assertLess(1, 2);
  std.assertLessOrEqual(2, 2);
  refuses(() => std.assertGreater(2, 2));
  refuses(() => std.assertGreaterOrEqual(1, 2));
  refuses(() => std.assertLess(2, 2));
  refuses(() => std.assertLessOrEqual(3, 2));
  refuses(() => std.fail("always"));
  refuses(() => assert(0));
});
