import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  backendFor,
  bfloat16,
  type Device,
  float16,
  float32,
  getDefaultDevice,
  init,
  int16,
  int32,
  int4,
  int8,
  type NestedNumbers,
  ones,
  randn,
  Tensor,
  tensor,
  tensorFromBytes,
  uint4,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { rounded, uniform } from "../oracles.ts";

eachBackend("nested lists give the shape", async (device) => {
  const cases: [data: NestedNumbers, shape: number[], flat: number[]][] = [
    [5, [], [5]],
    [[], [0], []],
    [[1, 2], [2], [1, 2]],
    [[[1, 2], [3, 4], [5, 6]], [3, 2], [1, 2, 3, 4, 5, 6]],
    [[[[1], [2]], [[3], [4]]], [2, 2, 1], [1, 2, 3, 4]],
    [[[], []], [2, 0], []],
  ];
  for (const [data, shape, flat] of cases) {
    using t = tensor(data);
    assertEquals([...t.shape], shape);
    assertEquals(t.ndim, shape.length);
    assertEquals([...await t.data()], flat);
    assertStrictEquals(t.device, device);
    assertStrictEquals(t.dtype, float32);
  }
});

eachBackend("a typed array is copied and takes the shape given", async () => {
  const source = Float32Array.of(1, 2, 3, 4, 5, 6);
  using t = tensor(source, { shape: [2, 3] });
  source.fill(0);
  assertEquals([...await t.data()], [1, 2, 3, 4, 5, 6]);
  assertEquals(t.numel, 6);
  assertEquals(t.nbytes, 24);
});

eachBackend("every dtype keeps its ends, odd lengths included", async () => {
  for (const dtype of [float32, float16, bfloat16, int32, int16, int8, uint8, int4, uint4]) {
    const values = [dtype.min, dtype.max, 0, 1, dtype.max];
    using t = tensor(values, { dtype });
    assertEquals([...await t.data()], values);
    assertEquals((await t.bytes()).byteLength, 5 * dtype.itemSize);
  }
});

eachBackend("what does not fit is refused", () => {
  assertThrows(
    () => tensor([1, 2, 3], { shape: [2, 2] }),
    RangeError,
    "tensor: 3 numbers do not fill shape (2, 2), which holds 4",
  );
  assertThrows(() => tensor([[1, 2], [3]]), RangeError, "ragged: item 0 has shape (2,), item 1");
  assertThrows(() => tensor([1, [2]]), RangeError, "ragged");
  assertThrows(() => tensor([1], { shape: [-1] }), RangeError, "non-negative integers");
  assertThrows(() => tensor([1], { shape: [0.5] }), RangeError, "non-negative integers");
  assertThrows(() => zeros([2, NaN]), RangeError, "non-negative integers");
  for (const value of [256, -1, 1.5, NaN, Infinity]) {
    assertThrows(
      () => tensor([0, value], { dtype: uint8 }),
      RangeError,
      `tensor: element 1 is ${value}, but uint8 holds integers from 0 to 255`,
    );
  }
  assertThrows(() => tensor([8], { dtype: int4 }), RangeError, "int4 holds integers from -8 to 7");
  assertThrows(
    () => tensorFromBytes(new Uint8Array(5), { shape: [2], dtype: float16 }),
    RangeError,
    "tensorFromBytes: 5 bytes do not fill shape (2,) of float16, which takes 4",
  );
});

Deno.test("a device that does not exist is refused by name", () => {
  assertThrows(
    () => tensor([1], { device: "cuda" as Device }),
    Error,
    'Unknown device "cuda": use "cpu" or "webgpu"',
  );
});

eachBackend("zeros and ones in every dtype", async () => {
  for (const dtype of [float32, bfloat16, int8]) {
    using z = zeros([2, 3], { dtype });
    using o = ones([2, 3], { dtype });
    assertEquals([...await z.data()], new Array(6).fill(0));
    assertEquals([...await o.data()], new Array(6).fill(1));
  }
});

eachBackend("reshape views the same memory", async (device) => {
  using x = tensor([1, 2, 3, 4, 5, 6]);
  const { liveBuffers } = backendFor(device).memory();
  using y = x.reshape(2, 3);
  using z = y.reshape(-1, 2);
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
  assertEquals([...y.shape], [2, 3]);
  assertEquals([...z.shape], [3, 2]);
  x.dispose();
  y.dispose();
  assertEquals([...await z.data()], [1, 2, 3, 4, 5, 6]);
});

eachBackend("reshape refuses what does not fill", () => {
  using x = tensor([1, 2, 3, 4, 5, 6]);
  using one = tensor([1]);
  using none = zeros([0, 3]);
  assertThrows(
    () => x.reshape(4, 2),
    RangeError,
    "reshape: shape (6,) holds 6 elements, which do not fill (4, 2)",
  );
  assertThrows(() => x.reshape(-1, 4), RangeError, "reshape");
  assertThrows(() => x.reshape(-2, -3), RangeError, "reshape");
  assertThrows(() => one.reshape(-1, -1), RangeError, "reshape");
  assertThrows(() => none.reshape(-1, 0), RangeError, "reshape");
  assertEquals([...one.reshape().shape], []);
  assertEquals([...none.reshape(3, -1).shape], [3, 0]);
});

eachBackend("to(dtype) rounds floats to nearest even", async () => {
  const values = Float32Array.of(
    ...[0, -0, 1e-45, -1e-45, 3e-8, 2 ** -25, 2 ** -24 * 1.5, 65519, 65520, -1e38, 3.4e38],
    ...[Infinity, -Infinity, NaN, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -8, 1e-39],
    ...uniform(5, 301, -1e4, 1e4),
  );
  using x = tensor(values);
  for (const dtype of [float16, bfloat16]) {
    using y = x.to(dtype);
    const actual = await y.data();
    values.forEach((v, i) =>
      assertStrictEquals(actual[i], rounded(dtype, v), `${dtype.name} ${v}`)
    );
    using back = y.to(float32);
    assertEquals(await back.data(), actual);
  }
  assertStrictEquals(x.to(float32), x);
});

eachBackend("to(an integer dtype) truncates and saturates", async () => {
  using x = tensor([
    -1e10,
    -300.7,
    -1.5,
    -0.9,
    0.9,
    1.5,
    127.9,
    255.5,
    300,
    1e10,
    -Infinity,
    Infinity,
  ]);
  const expected = {
    int8: [-128, -128, -1, 0, 0, 1, 127, 127, 127, 127, -128, 127],
    uint8: [0, 0, 0, 0, 0, 1, 127, 255, 255, 255, 0, 255],
    uint4: [0, 0, 0, 0, 0, 1, 15, 15, 15, 15, 0, 15],
    int16: [-32768, -300, -1, 0, 0, 1, 127, 255, 300, 32767, -32768, 32767],
    int32: [-(2 ** 31), -300, -1, 0, 0, 1, 127, 255, 300, 2 ** 31 - 1, -(2 ** 31), 2 ** 31 - 1],
  };
  for (const dtype of [int8, uint8, uint4, int16, int32]) {
    using y = x.to(dtype);
    assertEquals([...await y.data()], expected[dtype.name as keyof typeof expected], dtype.name);
  }
});

eachBackend("integers become floats exactly where they fit, else rounded", async () => {
  const values = [-(2 ** 31), -16777217, -3, 0, 5, 16777217, 16777219, 2 ** 31 - 1];
  using x = tensor(values, { dtype: int32 });
  for (const dtype of [float32, float16, bfloat16]) {
    using y = x.to(dtype);
    assertEquals([...await y.data()], values.map((v) => rounded(dtype, v)), dtype.name);
  }
});

eachBackend("integers in a narrower integer dtype stay inside its range", async () => {
  using x = tensor([200, 7, 255], { dtype: uint8 });
  using y = x.to(uint4);
  const values = [...await y.data()];
  assert(values.every((v) => v >= uint4.min && v <= uint4.max), `uint4 holds ${values}`);
});

eachBackend("to(device) brings the same bits there and back", async (device) => {
  await init({ device: "webgpu" });
  const other = device === "cpu" ? "webgpu" : "cpu";
  for (const dtype of [float32, bfloat16, uint8]) {
    using x = tensor([1, 2, 3, 250, 5], { dtype, device });
    using there = await x.to(other);
    using back = await there.to(device);
    assertEquals(there.device, other);
    assertStrictEquals(there.dtype, dtype);
    assertEquals(await back.bytes(), await x.bytes());
    assertStrictEquals(await x.to(device), x);
  }
});

eachBackend("item wants exactly one element", async () => {
  assertEquals(await tensor([[7]]).item(), 7);
  await assertRejects(
    () => tensor([1, 2]).item(),
    RangeError,
    "shape (2,) has 2 elements, not one",
  );
  await assertRejects(() => zeros([0]).item(), RangeError, "0 elements");
});

eachBackend("an empty tensor works all the way", async () => {
  using x = zeros([0, 4]);
  using y = x.to(bfloat16);
  using z = y.clone();
  assertEquals([...z.shape], [0, 4]);
  assertEquals((await z.data()).length, 0);
});

eachBackend("a tensor says what it is", (device) => {
  const x = randn([1, 64], { dtype: bfloat16 });
  assertEquals(String(x), `Tensor(shape=[1, 64], dtype=bfloat16, device=${device})`);
  x.dispose();
  assertEquals(String(x), "Tensor(shape=[1, 64], dtype=bfloat16, device=disposed)");
});

eachBackend("everything refuses a disposed tensor and says which", async () => {
  const x = zeros([2, 3], { dtype: float16 });
  x.dispose();
  assert(x.disposed);
  const message = "This float16 tensor of shape (2, 3) was disposed";
  for (
    const use of [
      () => x.clone(),
      () => x.reshape(6),
      () => x.to(float32),
      () => x.backend,
      () => x.operand,
    ]
  ) assertThrows(use, Error, message);
  await assertRejects(() => x.data(), Error, message);
  await assertRejects(() => x.to(getDefaultDevice() === "cpu" ? "webgpu" : "cpu"), Error, message);
});

eachBackend("bytes() of a disposed tensor rejects, as data() does", async () => {
  const x = zeros([2]);
  x.dispose();
  await assertRejects(() => x.bytes(), Error, "was disposed");
});

eachBackend("a tensor's shape cannot be changed from outside", () => {
  const shape = [2, 2];
  using x = zeros(shape);
  shape[0] = 9;
  assertEquals([...x.shape], [2, 2]);
  assertThrows(() => (x.shape as number[])[0] = 3, TypeError);
  assertInstanceOf(x, Tensor);
});

eachBackend("a shape is given as sizes or as a list", (device) => {
  using x = zeros([6], { device });
  assertEquals(x.reshape([2, 3]).shape, [2, 3]);
  assertEquals(x.reshape([-1, 2]).shape, [3, 2]);
  assertEquals(zeros([1], { device }).reshape([]).shape, []);
});
