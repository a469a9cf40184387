import { assert, assertEquals } from "@std/assert";
import { leastWeightScale, quantizeBias } from "../../../lib/onnx/qdq/biases.ts";
import { quantizeBlocks, quantizeConstant, quantizeWeight } from "../../../lib/onnx/qdq/weights.ts";
import { rint } from "../../oracles.ts";

const spec = { type: "int8", symmetric: true } as const;
const noise = (length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7) * (1 + i % 5));

/** What the integers stand for. */
function dequantized(
  { integers, scale, zeroPoint }: ReturnType<typeof quantizeConstant>,
  channelOf: (i: number) => number,
) {
  return Array.from(integers, (q, i) => (q - zeroPoint[channelOf(i)]) * scale[channelOf(i)]);
}

Deno.test("quantizeConstant: each channel has its own scale, whichever axis it lies on", () => {
  const dims = [2, 3, 4];
  const data = noise(24);
  const channels = [
    { axis: 0, of: (i: number) => Math.floor(i / 12) },
    { axis: 1, of: (i: number) => Math.floor(i / 4) % 3 },
    { axis: 2, of: (i: number) => i % 4 },
    { axis: undefined, of: () => 0 },
  ];
  for (const { axis, of } of channels) {
    const q = quantizeConstant({ dims, data }, spec, axis);
    assertEquals(q.scale.length, axis === undefined ? 1 : dims[axis]);
    data.forEach((x, i) => {
      const largest = Math.max(...data.filter((_, j) => of(j) === of(i)).map(Math.abs));
      const step = Math.fround(largest / 127);
      assertEquals(q.scale[of(i)], step);
      assertEquals(q.integers[i], rint(x / step));
      assert(Math.abs(dequantized(q, of)[i] - x) <= step / 2 * 1.0001);
    });
  }
});

Deno.test("quantizeWeight: a scale is no smaller than asked for", () => {
  const q = quantizeWeight(
    { dims: [2, 1], data: Float32Array.of(1, 1) },
    spec,
    0,
    Float64Array.of(0.5, 0),
  );
  assertEquals([...q.integers], [2, 127]);
});

Deno.test("quantizeBlocks: every few rows of a column have a scale, the last block may be shorter", () => {
  const data = noise(15);
  const q = quantizeBlocks({ dims: [5, 3], data }, { type: "int4", symmetric: true }, 2);
  assertEquals([q.axis, q.blockSize, q.scale.length, q.zeroPoint.length], [0, 2, 9, 9]);
  const block = (i: number) => 3 * Math.floor(Math.floor(i / 3) / 2) + i % 3;
  dequantized(q, block).forEach((x, i) =>
    assert(Math.abs(x - data[i]) <= q.scale[block(i)] / 2 * 1.0001)
  );
});

Deno.test("quantizeBias: 32-bit integers at the scale of the products", () => {
  const { integers, scale } = quantizeBias(
    Float32Array.of(1, -2),
    0.5,
    Float32Array.of(0.25, 0.125),
  );
  assertEquals([...integers], [8, -32]);
  assertEquals([...scale], [0.125, 0.0625]);
  const shared = quantizeBias(Float32Array.of(1, -2), 0.5, Float32Array.of(0.25));
  assertEquals([...shared.integers], [8, -16]);
});

Deno.test("leastWeightScale: with it a great bias fits into 32 bits", () => {
  const bias = Float32Array.of(1e6, 1);
  for (const channels of [1, 2]) {
    const least = Float32Array.from(leastWeightScale(bias, 1e-5, channels));
    const { integers } = quantizeBias(bias, 1e-5, least);
    assert(integers[0] < 2 ** 31 - 1 && integers[0] > 2 ** 31 * 0.99);
  }
});

Deno.test("leastWeightScale: beside the products that a bias is added to, if these are large", () => {
  const bias = Float32Array.of(1e6);
  const products = 2 ** 28;
  const least = Float32Array.from(leastWeightScale(bias, 1e-5, 1, products));
  const { integers: [most] } = quantizeBias(bias, 1e-5, least);
  assert(most + products < 2 ** 31 - 1 && most + products > 2 ** 31 * 0.99);
});

Deno.test("quantizeWeight: a channel of zeros has the scale that its bias wants", () => {
  const weight = { dims: [3, 2], data: Float32Array.of(0, 0, 1, -1, 0, 0) };
  const bias = Float32Array.of(0.3, 0.3, 0);
  for (const axis of [0, undefined]) {
    const data = axis === undefined ? new Float32Array(6) : weight.data;
    const least = leastWeightScale(bias, 1, axis === undefined ? 1 : 3);
    const { scale, integers } = quantizeWeight({ ...weight, data }, spec, axis, least);
    const quantized = quantizeBias(bias, 1, scale);
    const back = Array.from(quantized.integers, (q, c) => q * quantized.scale[axis === 0 ? c : 0]);
    const steps = Math.abs(back[0] - 0.3);
    assert(steps < 1e-6, `the bias is off by ${steps}`);
    assert(Math.abs(back[1] - 0.3) < 1e-2 && back[2] === 0);
    if (axis === 0) assertEquals([...integers], [0, 0, 127, -127, 0, 0]);
    assert(scale.every((s) => s > 2 ** -61));
  }
});
