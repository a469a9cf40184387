/** Operations on bytes give the bytes of onnxruntime's CPU kernels, on both backends and in both layouts. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  bfloat16,
  byteTable,
  cat,
  compile,
  dequantizeLinear,
  type Device,
  float32,
  hardswish,
  init,
  int32,
  int8,
  leakyRelu,
  lookup,
  manualSeed,
  Module,
  mul,
  quantizedAdd,
  quantizedCat,
  quantizedMul,
  quantizeLinear,
  randn,
  sigmoid,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { reference } from "../conformance/reference.ts";

/** One answer of onnxruntime's; arrays stand in the tensors that belong to it. */
interface Case {
  readonly name: string;
  readonly op: string;
  readonly scale?: number;
  readonly zeroPoint?: number;
  readonly axis?: number;
  readonly shapes?: readonly number[][];
  readonly params?: readonly (readonly [scale: number, zeroPoint: number])[];
  readonly alpha?: number;
}

const recorded = reference<Case>("onnxruntime-bytes");

/** The cases of an operation, with how to load what belongs to one. */
function* casesOf(op: string, device: Device) {
  for (const given of recorded.cases.filter((given) => given.op === op)) {
    const { name } = given;
    const load = (key: string, shape?: readonly number[]) => {
      const t = recorded.load(`${name}.${key}`, device);
      return shape ? t.reshape(shape) : t;
    };
    const has = (key: string) => recorded.has(`${name}.${key}`);
    const params = given.params?.map(([scale, zeroPoint]) => ({ scale, zeroPoint })) ?? [];
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
  assertThrows(() => lookup(q, q), RangeError, "a table has 256 bytes");
  assertThrows(
    () => byteTable((t) => t.reshape(16, 16), { x: one, y: one, dtype: int32 }),
    TypeError,
    "a table is of uint8 or int8",
  );
  assertThrows(() => byteTable(() => q, { x: one, y: one }), RangeError, "of its input");
});
