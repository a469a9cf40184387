/** Operations on bytes give the bytes of onnxruntime's CPU kernels, on both backends and in both layouts. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  bfloat16,
  byteTable,
  cat,
  compile,
  dequantizeLinear,
  type Device,
  type DType,
  dynamicQuantizeLinear,
  float32,
  hardswish,
  init,
  int32,
  int8,
  leakyRelu,
  lookup,
  manualSeed,
  matmul,
  matmulInteger,
  Module,
  mul,
  quantizedAdd,
  quantizedCat,
  quantizedMatmul,
  quantizedMul,
  quantizeLinear,
  randn,
  requantize,
  sigmoid,
  sub,
  Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";
import { reference } from "../conformance/reference.ts";

/** One answer of onnxruntime's; arrays stand in the tensors that belong to it. */
interface Case {
  readonly name: string;
  readonly op: string;
  readonly scale?: number;
  readonly zeroPoint?: number;
  readonly axis?: number;
  readonly shapes?: readonly number[][];
  readonly params?: readonly ((readonly [scale: number, zeroPoint: number]) | null)[];
  readonly transposeB?: boolean;
  readonly alpha?: number;
}

const recorded = reference<Case>("onnxruntime-bytes");

/** The cases of an operation, with how to load what belongs to one. */
function* casesOf(op: string, device: Device) {
  for (const given of few(recorded.cases.filter((given) => given.op === op), 6)) {
    const { name } = given;
    const load = (key: string, shape?: readonly number[]) => {
      const t = recorded.load(`${name}.${key}`, device);
      return shape ? t.reshape(shape) : t;
    };
    const has = (key: string) => recorded.has(`${name}.${key}`);
    const params = given.params?.map((pair) => {
      const [scale, zeroPoint] = pair ?? [NaN, NaN];
      return { scale, zeroPoint };
    }) ?? [];
    yield { given, load, has, params, name };
  }
}

/** The same tensor with its channels last, if it has any. */
function last(x: Tensor): Tensor {
  if (x.ndim < 3 || x.numel === 0) return x;
  const { backend, shape, dtype } = x;
  return Tensor.channelsLast(backend, backend.toChannelsLast(x.operand), shape, dtype);
}

/** Checks a function of tensors in both layouts. */
async function check(
  name: string,
  expected: Tensor,
  inputs: readonly Tensor[],
  run: (...inputs: Tensor[]) => Tensor,
) {
  const wanted = await expected.data();
  for (const layout of [(x: Tensor) => x, last]) {
    using y = run(...inputs.map(layout));
    assertEquals([y.shape, y.dtype], [expected.shape, expected.dtype], name);
    assertEquals(await y.data(), wanted, layout === last ? `${name}, channels last` : name);
    if (layout !== last || inputs[0].ndim !== expected.ndim || expected.ndim < 3) continue;
    if (expected.numel === 0 || inputs[0].shape[2] !== expected.shape[2]) continue;
    assertEquals(y.isChannelsLast, true, name);
    assertEquals(
      await bytesIn(y),
      await bytesIn(last(expected)),
      `${name}, with zeros at the ends`,
    );
  }
}

/** The bytes of the memory with channels last. */
async function bytesIn(x: Tensor): Promise<Uint8Array> {
  return await x.backend.read(x.channelsLast.buffer);
}

eachBackend("quantizeLinear gives onnxruntime's integers", async (device) => {
  for (const { given, load, has, name } of casesOf("quantize", device)) {
    const expected = load("result");
    const scale = has("scale") ? [...await load("scale").data()] : given.scale!;
    const zeroPoint = has("zeroPoint") ? [...await load("zeroPoint").data()] : given.zeroPoint;
    const options = { scale, zeroPoint, axis: given.axis, dtype: expected.dtype };
    await check(name, expected, [load("x")], (x) => quantizeLinear(x, options));
  }
});

eachBackend("dequantizeLinear gives onnxruntime's numbers", async (device) => {
  for (const { given, load, has, name } of casesOf("dequantize", device)) {
    const expected = load("result");
    const scale = has("scale") ? [...await load("scale").data()] : given.scale!;
    const zeroPoint = has("zeroPoint") ? [...await load("zeroPoint").data()] : given.zeroPoint;
    const options = { scale, zeroPoint, axis: given.axis, dtype: expected.dtype };
    await check(name, expected, [load("x")], (x) => dequantizeLinear(x, options));
  }
});

for (const [op, run] of [["add", quantizedAdd], ["mul", quantizedMul]] as const) {
  eachBackend(`${op} of bytes gives onnxruntime's bytes`, async (device) => {
    for (const { given, load, params, name } of casesOf(op, device)) {
      const [a, b, y] = params;
      const [left, right] = given.shapes!;
      const expected = load("result", left.length === 0 ? [] : undefined);
      const inputs = [load("a", left), load("b", right)];
      await check(name, expected, inputs, (p, q) => run(p, q, { a, b, y }));
    }
  });
}

eachBackend("tables give onnxruntime's bytes", async (device) => {
  for (
    const [op, fn] of [["sigmoid", sigmoid], [
      "leakyrelu",
      (x: Tensor) => leakyRelu(x, 0.1),
    ]] as const
  ) {
    for (const { load, params: [x, y], name } of casesOf(op, device)) {
      const input = load("x");
      using table = byteTable(fn, { x, y, dtype: input.dtype });
      await check(name, load("result"), [input], (x) => lookup(x, table));
      const image = input.reshape(2, 8, 4, 4);
      await check(name, load("result").reshape(2, 8, 4, 4), [image], (x) => lookup(x, table));
    }
  }
});

eachBackend(
  "tensors of bytes with scales of their own are put together as onnxruntime does",
  async (device) => {
    for (const { given, load, has, params, name } of casesOf("concat", device)) {
      const xs: Tensor[] = [];
      while (has(`x${xs.length}`)) xs.push(load(`x${xs.length}`));
      const options = { xs: params.slice(0, -1), y: params.at(-1)!, dim: given.axis };
      await check(name, load("result"), xs, (...xs) => quantizedCat(xs, options));
    }
  },
);

eachBackend(
  "tensors with their channels last are put together along any dimension",
  async (device) => {
    manualSeed(8);
    for (const dtype of [uint8, int8, float32, bfloat16]) {
      for (const dim of [0, 1, 2, 3]) {
        for (const sizes of [[3, 5, 16], [16, 32], [4, 12], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
          const xs = sizes.map((size) => {
            const shape = [2, 6, 3, 2].with(dim, size);
            return mul(randn(shape, { device }), 40).to(dtype);
          });
          await check(`${dtype.name} along ${dim}`, cat(xs, dim), xs, (...xs) => cat(xs, dim));
        }
      }
    }
  },
);

/** The parameters of a product's second operand. */
async function columnParams(load: (key: string) => Tensor) {
  const [scale, zeroPoint] = [await load("bScale").data(), await load("bZeroPoint").data()];
  return scale.length > 1
    ? { scale: [...scale], zeroPoint: [...zeroPoint] }
    : { scale: scale[0], zeroPoint: zeroPoint[0] };
}

eachBackend("products of bytes give onnxruntime's bytes, sums and numbers", async (device) => {
  for (const op of ["matmul", "gemm"]) {
    for (const { given, load, has, params: [a, , y], name } of casesOf(op, device)) {
      const expected = load("result");
      const bias = has("bias") ? load("bias") : null;
      const options = {
        a,
        b: await columnParams(load),
        y: expected.dtype.isFloat ? null : y,
        bias,
        transposeB: given.transposeB,
        dtype: expected.dtype.isFloat ? uint8 : expected.dtype,
      };
      using result = quantizedMatmul(load("a"), load("b"), options);
      assertEquals([result.shape, result.dtype], [expected.shape, expected.dtype], name);
      assertEquals(await result.data(), await expected.data(), name);
    }
  }
  for (const { load, params: [a], name } of casesOf("matmul integer", device)) {
    const { zeroPoint } = await columnParams(load);
    const onDevice = (z: number, dtype: DType) => tensor(z, { dtype, device });
    const [za, zb] = [a.zeroPoint, zeroPoint as number];
    using y = matmulInteger(load("a"), load("b"), { aZeroPoint: za, bZeroPoint: zb });
    assertEquals(await y.data(), await load("result").data(), name);
    const options = { aZeroPoint: onDevice(za, uint8), bZeroPoint: onDevice(zb, int32) };
    using z = matmulInteger(load("a"), load("b"), options);
    assertEquals(await z.data(), await y.data(), name);
  }
});

/** Bytes without a pattern. */
function bytes(shape: number[], dtype: DType, seed: number, device: Device): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const byte = (i: number) => (Math.imul(i + seed, 2654435761) >>> 24) + dtype.min;
  return tensor(Array.from({ length }, (_, i) => byte(i)), { shape, dtype, device });
}

const SIZES = [
  [uint8, false, 1, 33, 8],
  [int8, true, 3, 5, 17],
  [uint8, false, 9, 66, 16],
  [int8, false, 150, 70, 24],
] as const;

eachBackend(
  "products of bytes of any size, batch and tile are exact",
  (device) =>
    eachTiling(device, async () => {
      for (const [dtype, transposeB, m, n, k] of SIZES) {
        for (const [left, right] of [[[2], [2]], [[1], [3]]]) {
          using a = bytes([...left, m, k], dtype, 1, device);
          using b = bytes([...right, ...transposeB ? [n, k] : [k, n]], dtype, 5, device);
          const zeroPoints = Array.from({ length: n }, (_, j) => j);
          using y = matmulInteger(a, b, { aZeroPoint: 7, bZeroPoint: zeroPoints, transposeB });
          using columns = tensor(zeroPoints, { device: "cpu", shape: transposeB ? [n, 1] : [n] });
          const [p, q] = [await a.to("cpu"), await b.to("cpu")];
          using exact = matmul(sub(p.to(float32), 7), sub(q.to(float32), columns), { transposeB });
          const name = `(${m}, ${n}, ${k}) ${left} by ${right} ${dtype.name}`;
          assertEquals([...await y.data()], [...await exact.data()], name);
        }
      }
    }),
);

eachBackend("dynamicQuantizeLinear gives onnxruntime's integers and parameters", async (device) => {
  for (const { given, load, name } of casesOf("dynamic", device)) {
    const { y, scale, zeroPoint } = dynamicQuantizeLinear(load("x"));
    assertEquals(
      [await scale.item(), await zeroPoint.item()],
      [given.scale, given.zeroPoint],
      name,
    );
    assertEquals(await y.data(), await load("result").data(), name);
  }
});

Deno.test("bytes that a compiled model computes are those of one that is not", async () => {
  const { device } = await init({ device: "webgpu" });
  manualSeed(4);
  const params = { scale: 0.03, zeroPoint: 120 };
  const table = byteTable(hardswish, { x: params, y: params });
  class Tail extends Module {
    override forward(x: Tensor): Tensor {
      const q = quantizeLinear(x, params);
      const sum = quantizedAdd(lookup(q, table), q, { a: params, b: params, y: params });
      return dequantizeLinear(sum, params);
    }
  }
  const model = new Tail();
  const compiled = await compile(model);
  for (const channels of [5, 16]) {
    const x = randn([2, channels, 3, 7], { device });
    for (const input of [x, last(x)]) {
      using y = model.forward(input);
      using z = compiled.forward(input);
      assertEquals(await z.data(), await y.data());
    }
  }
});

eachBackend("what are no bytes, parameters or tables is refused", (device) => {
  const q = tensor([1, 2], { dtype: uint8, device });
  const x = tensor([1, 2], { device });
  const one = { scale: 1 };
  const all = { a: one, b: one, y: one };
  assertThrows(() => quantizeLinear(q, one), TypeError, "must be a float tensor, got uint8");
  assertThrows(
    () => quantizeLinear(x, { scale: 0 }),
    RangeError,
    "scale must be a positive number",
  );
  assertThrows(() => quantizeLinear(x, { ...one, zeroPoint: 256 }), RangeError, "from 0 to 255");
  assertThrows(() => quantizeLinear(x, { ...one, dtype: int32 }), TypeError, "at most 16 bits");
  assertThrows(() => quantizeLinear(x, { scale: [1], axis: 0 }), RangeError, "has 2 places");
  assertThrows(() => dequantizeLinear(x, one), TypeError, "tensor of integers, got float32");
  assertThrows(() => dequantizeLinear(q, { ...one, dtype: int32 }), TypeError, "a float one");
  assertThrows(() => quantizedAdd(x, q, all), TypeError, "uint8 or int8, got float32");
  assertThrows(
    () => quantizedMul(q, tensor([1], { dtype: int8, device }), all),
    TypeError,
    "one dtype, got uint8 and int8",
  );
  assertThrows(
    () => quantizedAdd(q, q, { ...all, y: { scale: NaN } }),
    RangeError,
    "y.scale must be a positive number",
  );
  assertThrows(
    () => quantizedAdd(q, tensor([1, 2, 3], { dtype: uint8, device }), all),
    RangeError,
    "do not broadcast",
  );
  const many = zeros([1, 33026], { dtype: uint8, device });
  assertThrows(() => matmulInteger(many, many, { transposeB: true }), RangeError, "K = 33026");
  assertThrows(() => matmulInteger(q, x), TypeError, "uint8 or int8, got float32");
  assertThrows(() => matmulInteger(q, q, { aZeroPoint: -1 }), RangeError, "from 0 to 255");
  assertThrows(() => matmulInteger(q, q, { bZeroPoint: [1, 2] }), RangeError, "must be one; got 2");
  assertThrows(
    () => quantizedMatmul(q, q, { a: one, b: { scale: [1, 2] }, y: one }),
    RangeError,
    "b.scale must be one; got 2",
  );
  assertThrows(
    () => quantizedMatmul(q, q, { a: one, b: one, y: one, bias: x }),
    RangeError,
    "the bias must be a tensor of shape (1,)",
  );
  assertThrows(() => requantize(q, { multiplier: 1 }), TypeError, "must be tensors of int32");
  assertThrows(() => dynamicQuantizeLinear(q), TypeError, "must be of float32, got uint8");
  assertThrows(() => lookup(q, q), RangeError, "a table has 256 bytes");
  assertThrows(
    () => byteTable((t) => t.reshape(16, 16), { x: one, y: one, dtype: int32 }),
    TypeError,
    "a table is of uint8 or int8",
  );
  assertThrows(() => byteTable(() => q, { x: one, y: one }), RangeError, "of its input");
});
