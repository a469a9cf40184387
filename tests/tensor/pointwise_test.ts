/** Operations element by element: dtypes, shapes, promotion, and what is refused. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  abs,
  add,
  backendFor,
  bfloat16,
  bool,
  clamp,
  compile,
  div,
  type DType,
  elu,
  eq,
  erf,
  exp,
  float16,
  float32,
  float8_e5m2,
  floor,
  gelu,
  gt,
  init,
  int16,
  int32,
  int8,
  isnan,
  leakyRelu,
  logicalAnd,
  logicalNot,
  lt,
  maximum,
  Module,
  mul,
  neg,
  pow,
  prelu,
  randn,
  relu,
  sigmoid,
  silu,
  softplus,
  sqrt,
  sub,
  tanh,
  type Tensor,
  tensor,
  uint4,
  uint8,
  where,
  zeros,
} from "../../mod.ts";
import { roundTo } from "../../lib/numbers/rounding.ts";
import { numelOf } from "../../lib/numbers/shape.ts";
import { eachBackend } from "../backends.ts";

const FLOATS = [float32, float16, bfloat16, float8_e5m2];

/** Numbers that every dtype holds, unlike one another. */
function small(shape: readonly number[], dtype: DType, start = 0): Tensor {
  const values = Array.from({ length: numelOf(shape) }, (_, i) => {
    const value = (i * 7 + start) % 12 - (dtype.min < 0 ? 4 : 0);
    return Math.max(dtype.min, Math.min(value, dtype.max));
  });
  return tensor(values, { shape, dtype });
}

/** What `a[…] op b[…]` is, element by element. */
async function expectedOf(
  [a, b]: [Tensor, Tensor],
  shape: readonly number[],
  compute: (a: number, b: number) => number,
): Promise<number[]> {
  const [as, bs] = [await a.data(), await b.data()];
  const at = (from: readonly number[], i: number) => {
    let place = 0;
    let stride = 1;
    for (let d = shape.length - 1, rest = i; d >= 0; d--) {
      const size = from[d - shape.length + from.length] ?? 1;
      if (size > 1) place += rest % shape[d] * stride;
      stride *= size;
      rest = Math.floor(rest / shape[d]);
    }
    return place;
  };
  return Array.from(
    { length: numelOf(shape) },
    (_, i) => compute(as[at(a.shape, i)], bs[at(b.shape, i)]),
  );
}

const SHAPES: [number[], number[], number[]][] = [
  [[], [], []],
  [[1], [], [1]],
  [[0], [1], [0]],
  [[3, 0], [3, 1], [3, 0]],
  [[7], [7], [7]],
  [[129], [1], [129]],
  [[5, 3], [3], [5, 3]],
  [[5, 3], [5, 1], [5, 3]],
  [[1, 3], [5, 1], [5, 3]],
  [[2, 3, 5], [3, 1], [2, 3, 5]],
  [[2, 1, 5, 1], [3, 1, 4], [2, 3, 5, 4]],
  [[2, 1, 2, 1, 3], [1, 2, 1, 2, 1], [2, 2, 2, 2, 3]],
  [[5, 8], [8], [5, 8]],
  [[5, 8], [5, 1], [5, 8]],
  [[2, 3, 4], [3, 1], [2, 3, 4]],
  [[2, 1, 12], [5, 12], [2, 5, 12]],
];

eachBackend("two tensors of every dtype in shapes that broadcast", async () => {
  for (const dtype of [...FLOATS, int32, int16, int8, uint8, uint4]) {
    const common = dtype === float32 || dtype === int8;
    for (const [left, right, shape] of SHAPES.filter((_, i) => common || i % 3 === 0)) {
      using a = small(left, dtype);
      using b = small(right, dtype, 5);
      const wrap = (v: number) => {
        if (dtype.isFloat) return roundTo(dtype, v);
        const count = dtype.max - dtype.min + 1;
        return v - Math.floor((v - dtype.min) / count) * count;
      };
      for (
        const [op, compute] of [
          [add, (x: number, y: number) => x + y],
          [mul, (x: number, y: number) => x * y],
          ...dtype === float32
            ? [[sub, (x: number, y: number) => x - y], [maximum, Math.max]] as const
            : [],
        ] as const
      ) {
        using y = op(a, b);
        assertStrictEquals(y.dtype, dtype);
        assertEquals([...y.shape], shape);
        const expected = await expectedOf([a, b], shape, (v, w) => wrap(compute(v, w)));
        assertEquals([...await y.data()], expected, `${dtype.name} ${left} ${right} ${op.name}`);
      }
      using less = lt(a, b);
      assertStrictEquals(less.dtype, bool);
      assertEquals([...await less.data()], await expectedOf([a, b], shape, (v, w) => +(v < w)));
    }
  }
});

eachBackend("floats narrower than float32 are rounded once", async () => {
  for (const dtype of [float16, bfloat16]) {
    using x = randn([3, 67], { dtype });
    using wide = x.to(float32);
    for (const op of [exp, tanh, erf, sigmoid, gelu, silu, elu, softplus]) {
      using y = op(x);
      using once = op(wide).to(dtype);
      assertStrictEquals(y.dtype, dtype);
      assertEquals(await y.data(), await once.data(), `${op.name} ${dtype.name}`);
    }
  }
});

eachBackend("bytes are read and written beside floats", async () => {
  using q = tensor([0, 3, 128, 255, 7], { dtype: uint8 });
  using scale = tensor([0.5, 1, 2, 0.25, 4]);
  // Dequantized with a zero point of 3: a number beside bytes is of their dtype unless it is a fraction.
  using x = mul(sub(q.to(float32), 3), scale);
  assertEquals([...await x.data()], [-1.5, 0, 250, 63, 16]);
  using y = mul(q, 0.5);
  assertStrictEquals(y.dtype, float32);
  using z = add(q, 250);
  assertEquals([z.dtype, ...await z.data()], [uint8, 250, 253, 122, 249, 1]);
});

eachBackend("dtypes are promoted as PyTorch does", () => {
  const f16 = zeros([2], { dtype: float16 });
  const [f32, bf16] = [zeros([2]), zeros([2], { dtype: bfloat16 })];
  const [i32, i8] = [zeros([2], { dtype: int32 }), zeros([2], { dtype: int8 })];
  const [u8, flags] = [zeros([2], { dtype: uint8 }), zeros([2], { dtype: bool })];
  const scalar = zeros([], { dtype: float32 });
  const cases: [Tensor | number, Tensor | number, DType][] = [
    [f16, f32, float32],
    [f16, bf16, float32],
    [f16, i32, float16],
    [i8, u8, int16],
    [i8, i32, int32],
    [flags, u8, uint8],
    [flags, flags, bool],
    [flags, 2, int32],
    [flags, 0.5, float32],
    [f16, scalar, float16],
    [i32, scalar, float32],
    [bf16, 0.1, bfloat16],
    [3, i8, int8],
    [0.1, i8, float32],
  ];
  for (const [a, b, dtype] of cases) {
    using y = add(a, b);
    assertStrictEquals(y.dtype, dtype, `${a} ${b}`);
  }
  using quotient = div(i32, i8);
  assertStrictEquals(quotient.dtype, float32);
});

eachBackend("bool holds what is not zero", async () => {
  using flags = tensor([true, false, true], { dtype: bool });
  assertEquals([...await flags.data()], [1, 0, 1]);
  assertThrows(() => tensor([2], { dtype: bool }), RangeError, "bool holds integers from 0 to 1");
  for (const dtype of [float32, float16, int32, int8]) {
    using x = tensor([0, 2, 1], { dtype });
    using b = x.to(bool);
    assertEquals([...await b.data()], [0, 1, 1], dtype.name);
    using back = b.to(dtype);
    assertEquals([...await back.data()], [0, 1, 1], dtype.name);
  }
  using odd = tensor([NaN, -0, 1e-40, -0.5]).to(bool);
  assertEquals([...await odd.data()], [1, 0, 1, 1]);
  using either = add(flags, flags);
  assertEquals([...await either.data()], [1, 0, 1]);
  using both = logicalAnd(flags, tensor([5, 1, 0]));
  assertEquals([...await both.data()], [1, 0, 0]);
  using not = logicalNot(flags);
  assertEquals([...await not.data()], [0, 1, 0]);
});

eachBackend("integers wrap around and divide without harm", async () => {
  using big = tensor([2 ** 31 - 1, -(2 ** 31), 65537], { dtype: int32 });
  using plus = add(big, 1);
  assertEquals([...await plus.data()], [-(2 ** 31), -(2 ** 31) + 1, 65538]);
  using squares = mul(big, big);
  assertEquals([...await squares.data()], [1, 0, 131073]);
  using zero = div(big, zeros([3], { dtype: int32 }), { roundingMode: "trunc" });
  assertEquals([...await zero.data()], [0, 0, 0]);
  using minus = div(big, -1, { roundingMode: "trunc" });
  assertEquals([...await minus.data()], [-(2 ** 31) + 1, -(2 ** 31), -65537]);
  using powers = pow(
    tensor([2, -1, 1, 3], { dtype: int32 }),
    tensor([-1, -3, -2, 40], { dtype: int32 }),
  );
  assertEquals([...await powers.data()], [0, -1, 1, Math.imul(Number(3n ** 40n & 0xffffffffn), 1)]);
});

eachBackend("many elements, and one input twice", async () => {
  using x = randn([1000, 1003]);
  using y = add(mul(x, x), x);
  const [xs, ys] = [await x.data(), await y.data()];
  const wrong = ys.findIndex((v, i) =>
    Math.abs(v - (xs[i] * xs[i] + xs[i])) > 1e-6 * (1 + xs[i] * xs[i])
  );
  assertEquals(wrong, -1);
});

/** A forward of operations alone. */
class Chain extends Module {
  scale: Tensor = tensor([[2], [0.5], [-1]]).keep();
  forward(x: Tensor): Tensor {
    const a = gelu(add(mul(x, this.scale), 0.25));
    const b = where(gt(a, 0.1), a, clamp(neg(a), { max: 0.05 }));
    return add(silu(b), sqrt(abs(leakyRelu(relu(x), 0.2))));
  }
}

Deno.test("a compiled chain has the bits of the plain one [webgpu]", async () => {
  await init({ device: "webgpu" });
  for (const dtype of [float32, float16, bfloat16]) {
    using compiled = compile(new Chain());
    for (let turn = 0; turn < 2; turn++) {
      using x = randn([3, 33], { dtype });
      using plain = new Chain().forward(x);
      using fast = compiled.forward(x);
      assertEquals(await fast.data(), await plain.data(), dtype.name);
    }
  }
});

eachBackend("what does not go together is refused, and nothing stays behind", (device) => {
  using a = zeros([2, 3]);
  using b = zeros([2]);
  const { liveBuffers } = backendFor(device).memory();
  assertThrows(
    () => add(a, b),
    RangeError,
    "add: shapes (2, 3) and (2,) do not broadcast: counted from the last, sizes must be equal or 1",
  );
  assertThrows(
    () => add(1, 2),
    TypeError,
    "add: one of the arguments must be a Tensor, got the numbers 1 and 2",
  );
  assertThrows(
    () => mul(a, [1] as unknown as Tensor),
    TypeError,
    "mul: expected a Tensor or a number, got an array; make it a tensor with tensor(…)",
  );
  assertThrows(
    () => exp(3 as unknown as Tensor),
    TypeError,
    "exp: the input must be a Tensor, got 3",
  );
  assertThrows(() => clamp(a, {}), TypeError, "clamp: give min, max or both");
  assertThrows(() => gelu(a, { approximate: "Tanh" as "tanh" }), TypeError, 'did you mean "tanh"?');
  assertThrows(() => prelu(a, b), RangeError, "prelu: a weight of 2 slopes does not fit");
  assertThrows(
    () => div(a, 2, { rounding: "floor" } as never),
    TypeError,
    'div: there is no option "rounding"',
  );
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
});

eachBackend("JavaScript's operators are refused, templates are not", (device) => {
  using x = zeros([2]);
  assertEquals(`${x}`, `Tensor(shape=[2], dtype=float32, device=${device})`);
  const any = x as unknown as number;
  for (const use of [() => any + any, () => any * 2, () => -any, () => any < 1, () => any == 0]) {
    assertThrows(use, TypeError, "JavaScript's operators do not compute on tensors; use functions");
  }
});

eachBackend("no function leaves anything but its result", (device) => {
  using x = randn([2, 3]);
  using w = randn([3]);
  const { liveBuffers } = backendFor(device).memory();
  for (
    const op of [floor, isnan, gelu, softplus, (t: Tensor) => prelu(t, w), (t: Tensor) => eq(t, w)]
  ) {
    op(x).dispose();
  }
  assertEquals(backendFor(device).memory().liveBuffers, liveBuffers);
  assert(liveBuffers >= 2);
});
