/** What tensors are made from: everything that is a number, and sentences for the rest. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  bfloat16,
  type Device,
  float32,
  int32,
  int8,
  Linear,
  ones,
  rand,
  randn,
  type Tensor,
  tensor,
  tensorFromBytes,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

const make = (data: unknown, options?: unknown) => tensor(data as number, options as object);
const refused = (run: () => unknown, error: typeof TypeError | typeof RangeError = TypeError) =>
  assertThrows(run, error).message;

eachBackend("booleans, BigInts and every typed array are numbers", async (device: Device) => {
  const cases: [unknown, number[], number[]][] = [
    [true, [], [1]],
    [3n, [], [3]],
    [[true, false], [2], [1, 0]],
    [[[1n, 2n], [3n, -4n]], [2, 2], [1, 2, 3, -4]],
    [new BigInt64Array([1n, -2n]), [2], [1, -2]],
    [new BigUint64Array([7n]), [1], [7]],
    [[new BigInt64Array([1n]), new BigInt64Array([2n])], [2, 1], [1, 2]],
    [new Float64Array([0.5, 2]), [2], [0.5, 2]],
    [new Uint32Array([5]), [1], [5]],
    [new Uint8ClampedArray([200]), [1], [200]],
    [new Float16Array([1.5]), [1], [1.5]],
    [[new Float32Array([1, 2]), [3, 4]], [2, 2], [1, 2, 3, 4]],
    [[[], []], [2, 0], []],
    [[], [0], []],
    [[[[1]], [[2]]], [2, 1, 1], [1, 2]],
  ];
  for (const [data, shape, numbers] of cases) {
    using t = make(data, { device });
    assertEquals([...t.shape], shape);
    assertEquals([...await t.data()], numbers);
  }
  using ints = make([[true, 2n], new Int8Array([3, 4])], { dtype: int32, device });
  assertEquals([...await ints.data()], [1, 2, 3, 4]);
  using wide = make(new Uint32Array([5, 6]), { dtype: uint8, device });
  assertEquals([...await wide.data()], [5, 6]);
});

Deno.test("what is no number is refused with its place", () => {
  const hole = [1, 2, 3];
  delete hole[1];
  const cases: [unknown, string][] = [
    [[["12", "34"]], `element (0, 0) must be a number, got the text "12"; convert text`],
    ["12", "expected numbers: one, a typed array, or lists of them, got the text"],
    [[1, null], "element 1 must be a number, got null"],
    [null, "got null"],
    [undefined, "got undefined"],
    [hole, "element 1 must be a number, got undefined, a hole in the list"],
    [{ length: 2 }, "element 0 must be a number, got undefined"],
    [[1, { a: 1 }], "element 1 must be a number, got an object"],
    [Promise.resolve([1]), "got a Promise; `await` it first"],
    [[Promise.resolve(1)], "element 0 must be a number, got a Promise"],
    [zeros([2]), "got a Tensor"],
    [new DataView(new ArrayBuffer(4)), "got a DataView"],
    [new ArrayBuffer(4), "got an ArrayBuffer"],
    [new Set([1]), "got a Set"],
    [Symbol("x"), "got Symbol(x)"],
    [() => 1, "got the function"],
    [
      { dims: [1], data: new Float32Array(1), type: "float32" },
      "tensor(t.data, { shape: t.dims })",
    ],
    [new Date(), "got a Date"],
  ];
  for (const [data, message] of cases) {
    const said = refused(() => make(data));
    assertStringIncludes(said, message);
    assert(said.startsWith("tensor: "), said);
  }
});

Deno.test("ragged, endless and out of range are refused", () => {
  const ragged: [unknown, string][] = [
    [[1, [2]], "item 0 has shape (), item 1 has (1,)"],
    [[[1], 2], "element 1 must be"],
    [[[1, 2], [3]], "item 0 has shape (2,), item 1 has (1,)"],
    [[[[1]], [[1, 2]]], "item 0, 0 has shape (1,), item 1, 0 has (2,)"],
    [[[], [1]], "item 0 has shape (0,), item 1 has (1,)"],
    [[new Float32Array(2), new Float32Array(3)], "item 1 has (3,)"],
  ];
  for (const [data, message] of ragged) {
    const { message: said } = assertThrows(() => make(data), Error);
    assert(said.includes(message) || said.includes("ragged"), said);
  }
  const self: unknown[] = [];
  self.push(self);
  assertStringIncludes(refused(() => make(self), RangeError), "deeper than 64");
  assertStringIncludes(refused(() => make({ length: 1e15 }), RangeError), "too long");
  for (const bad of [NaN, Infinity, 1.5, 300, -1, 2n ** 70n]) {
    assertStringIncludes(
      refused(() => make([0, bad], { dtype: uint8 }), RangeError),
      "element 1 is",
    );
  }
  assertStringIncludes(refused(() => make([3e9], { dtype: int32 }), RangeError), "int32 holds");
});

Deno.test("options and dtypes that do not exist are refused", () => {
  const cases: [() => unknown, string][] = [
    [() => make([1], { dtype: "uint8" }), "give the value uint8"],
    [() => make([1], { devcie: "cpu" }), "did you mean device?"],
    [() => make([1], uint8), "tensor: there is no option"],
    [() => zeros([1], { dtypes: int8 } as object), "zeros: there is no option"],
    [() => ones([1], { dtype: "int8" as never }), "ones: dtype must be a dtype"],
    [() => randn([1], { mean: 0 } as object), "randn: there is no option"],
    [() => rand([1], { hihg: 2 } as object), "did you mean high?"],
    [() => tensorFromBytes([1] as never, { shape: [1] }), "a Uint8Array, got an array"],
    [
      () => tensorFromBytes(new Uint8Array(1), { shape: [1], dtype: "uint8" as never }),
      "value uint8",
    ],
    [() => zeros([1]).to("float16" as never), "or the dtype float16 itself, without quotes"],
    [() => zeros([1]).to(undefined as never), "the target must be a dtype"],
    [() => zeros(4 as never), "zeros: a shape is a list"],
    [() => zeros("4" as never), "zeros: a shape is a list"],
    [() => zeros([1.5]), "zeros: a shape is a list"],
    [() => zeros(Promise.resolve([1]) as never), "got a Promise"],
  ];
  for (const [run, message] of cases) {
    assertStringIncludes(assertThrows(run, Error).message, message);
  }
});

eachBackend("what no device holds is refused before memory is taken", (device) => {
  const before = Deno.memoryUsage().rss;
  const fills = [zeros, ones, randn, rand];
  for (const fill of fills) {
    const error = assertThrows(() => fill([1e6, 1e6], { device }), RangeError);
    assertStringIncludes(error.message, `${fill.name}: a tensor of 4000000000000 bytes`);
  }
  assertThrows(() => zeros([1e6, 1e6], { device, dtype: bfloat16 }), RangeError, "2000000000000");
  assertThrows(() => new Linear(1e9, 1e9, { device }), RangeError, "Linear: ");
  assert(Deno.memoryUsage().rss - before < 2e8);
});

eachBackend("a Promise is no tensor's dtype or device", async (device) => {
  using t = zeros([2], { device });
  await assertRejects(
    async () => await t.to(Promise.resolve(float32) as never),
    TypeError,
    "await",
  );
  const same: Tensor = await t.to(device);
  assertEquals(same, t);
});
