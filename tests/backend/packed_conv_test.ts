import { assertEquals, assertThrows } from "@std/assert";
import {
  backendFor,
  type Device,
  type DType,
  float32,
  init,
  int32,
  int8,
  PreparedConvWeight,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import type { Backend, DeviceBuffer, PackedConvArgs } from "../../mod.ts";
import { channelsLastBytes } from "../../lib/backend/channels_last.ts";
import type { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import { packedConvProduct } from "../../lib/backend/webgpu/packed_convolution.ts";
import type { PooledBuffer } from "../../lib/backend/webgpu/pool.ts";
import { type RecordedDispatch, StepList } from "../../lib/backend/webgpu/steps.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";

/** Numbers that repeat with a long period and reach both ends of the dtype. */
function integers(dtype: DType, length: number, seed: number): number[] {
  const span = dtype.max - dtype.min + 1;
  return Array.from({ length }, (_, i) => {
    if (i % 11 === 3) return dtype.min;
    if (i % 13 === 5) return dtype.max;
    return dtype.min + (Math.imul(i + seed, 2654435761) >>> 8) % span;
  });
}

/** A convolution of images: sizes, and how it is quantized. */
interface Case {
  readonly sizes: readonly [n: number, c: number, o: number, h: number, w: number];
  readonly kernel: readonly [down: number, across: number];
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  readonly transposed?: boolean;
}

const CASES: Case[] = ([
  [[1, 3, 5, 9, 8], [3, 3], 1, 1, 1, 1],
  [[2, 3, 40, 9, 11], [7, 7], 2, 3, 1, 1],
  [[1, 1, 8, 7, 7], [2, 5], 1, 2, 2, 1],
  [[1, 2, 6, 7, 9], [3, 6], 1, 3, 1, 1],
  [[1, 4, 5, 6, 8], [2, 3], 2, 1, 1, 1],
  [[1, 16, 33, 6, 6], [3, 3], 1, 1, 1, 1],
  [[1, 20, 70, 7, 6], [3, 2], 2, 1, 1, 1],
  [[1, 37, 16, 5, 5], [3, 3], 1, 2, 2, 1],
  [[2, 40, 9, 3, 4], [1, 1], 1, 0, 1, 1],
  [[1, 32, 32, 8, 9], [3, 3], 1, 1, 1, 2],
  [[1, 8, 8, 6, 7], [3, 3], 1, 1, 1, 4],
  [[1, 18, 18, 9, 8], [3, 3], 1, 1, 1, 18],
  [[2, 33, 33, 10, 7], [5, 5], 2, 2, 1, 33],
  [[1, 4, 4, 9, 9], [3, 3], 1, 2, 2, 4],
  [[1, 6, 12, 5, 5], [3, 3], 1, 1, 1, 6],
  [[2, 6, 5, 4, 5], [2, 2], 2, 0, 1, 1, true],
  [[1, 20, 36, 5, 4], [3, 4], 2, 1, 1, 1, true],
  [[1, 5, 8, 6, 5], [3, 3], 3, 0, 2, 1, true],
  [[1, 8, 12, 4, 6], [3, 3], 2, 1, 1, 4, true],
  [[2, 33, 33, 3, 4], [5, 5], 2, 2, 1, 33, true],
  [[1, 3, 4, 3, 3], [1, 2], 3, 0, 1, 1, true],
  [[1, 70, 3, 1, 2], [3, 3], 1, 0, 1, 1, true],
  [[2, 35, 35, 11, 9], [3, 3], 2, 1, 1, 35],
] as [Case["sizes"], Case["kernel"], number, number, number, number, boolean | undefined][])
  .map(([sizes, kernel, stride, padding, dilation, groups, transposed]) => ({
    sizes,
    kernel,
    stride,
    padding,
    dilation,
    groups,
    transposed,
  }));

function outputOf({ sizes, kernel, stride, padding, dilation, transposed }: Case): number[] {
  return [0, 1].map((d) => {
    const reach = dilation * (kernel[d] - 1) + 1;
    return transposed
      ? (sizes[3 + d] - 1) * stride - 2 * padding + reach
      : Math.floor((sizes[3 + d] + 2 * padding - reach) / stride) + 1;
  });
}

/** The input that an output reads with a tap, in one dimension; none where that is no whole step. */
function readAt({ stride, padding, dilation, transposed }: Case, output: number, tap: number) {
  if (!transposed) return output * stride - padding + tap * dilation;
  const place = output + padding - tap * dilation;
  return place % stride === 0 ? place / stride : -1;
}

/** The exact sums, by their definition. */
function sums(c: Case, x: number[], w: number[], zx: number, zw: number[]): number[] {
  const { sizes: [n, channels, out, h, width], kernel: [kh, kw] } = c;
  const [oh, ow] = outputOf(c);
  const [inGroup, outGroup] = [channels / c.groups, out / c.groups];
  const y: number[] = [];
  for (let i = 0; i < n * out * oh * ow; i++) {
    const [image, o] = [Math.floor(i / (out * oh * ow)), Math.floor(i / (oh * ow)) % out];
    let sum = 0;
    for (let t = 0; t < inGroup * kh * kw; t++) {
      const channel = Math.floor(o / outGroup) * inGroup + Math.floor(t / (kh * kw));
      const iy = readAt(c, Math.floor(i / ow) % oh, Math.floor(t / kw) % kh);
      const ix = readAt(c, i % ow, t % kw);
      if (iy < 0 || ix < 0 || iy >= h || ix >= width) continue;
      const q = x[((image * channels + channel) * h + iy) * width + ix];
      const row = c.transposed
        ? channel * outGroup + o % outGroup
        : o * inGroup + channel % inGroup;
      sum += (q - zx) * (w[row * kh * kw + t % (kh * kw)] - zw[zw.length > 1 ? o : 0]);
    }
    y.push(sum);
  }
  return y;
}

/** What a case has on a device. */
interface Made {
  readonly x: Tensor;
  readonly weight: PreparedConvWeight;
  readonly args: Omit<PackedConvArgs, "result">;
  readonly exact: number[];
  readonly shape: number[];
  /** A float32 buffer, which lives as long as this. */
  readonly floats: (values: number[]) => DeviceBuffer;
  readonly alive: Tensor[];
}

function make(device: Device, c: Case, turn: number): Made {
  const [xDtype, wDtype] = [[uint8, int8], [uint8, uint8], [int8, int8], [int8, uint8]][turn % 4];
  const perRow = turn % 3 > 0;
  const zeros = turn % 5 === 4; // no zero points at all
  const { sizes: [n, channels, out, h, width], kernel, groups, transposed } = c;
  const shape = transposed
    ? [channels, out / groups, ...kernel]
    : [out, channels / groups, ...kernel];
  const x = integers(xDtype, n * channels * h * width, 1);
  const w = integers(wDtype, shape.reduce((product, size) => product * size, 1), 2);
  const zx = zeros ? 0 : xDtype.min + 101;
  const count = perRow ? out : 1;
  const zw = Array.from({ length: count }, (_, j) => zeros ? 0 : wDtype.min + (j * 37) % 256);
  const alive: Tensor[] = [];
  const floats = (values: number[]) => {
    const t = tensor(values, { device });
    alive.push(t); // a buffer alone does not keep its tensor
    return t.operand.buffer;
  };
  const zeroPoint = zeros ? null : tensor(zw, { device });
  if (zeroPoint) alive.push(zeroPoint);
  const weight = new PreparedConvWeight(tensor(w, { shape, dtype: wDtype, device }), {
    groups,
    transposed,
    zeroPoint,
  });
  const both = (size: number) => [size, size];
  return {
    x: tensor(x, { shape: [n, channels, h, width], dtype: xDtype, device }),
    weight,
    args: {
      output: outputOf(c),
      stride: both(c.stride),
      before: both(c.padding),
      dilation: both(c.dilation),
      xZeroPoint: zeros ? null : floats([zx]),
      wZeroPoint: zeroPoint && zeroPoint.operand.buffer,
      wParamCount: count,
    },
    exact: sums(c, x, w, zx, zw),
    shape: [n, out, ...outputOf(c)],
    floats,
    alive,
  };
}

function release({ x, weight, alive }: Made): void {
  [x, weight, ...alive].forEach((t) => t.dispose());
}

const nowhere = (backend: Backend) => backend.upload(new Uint8Array(4));

eachBackend(
  "sums of bytes over taps are exact, whatever is quantized how",
  (device) =>
    eachTiling(device, async (backend) => {
      for (const [i, c] of few([...CASES.entries()], 6)) {
        for (const turn of [i, i + 7].slice(0, 1 + i % 2)) {
          const made = make(device, c, turn);
          const { x, weight, args, exact, shape } = made;
          const scale = nowhere(backend);
          const y = backend.packedConv(x.channelsLast, weight.operand, {
            ...args,
            result: { kind: "floats", xScale: scale, wScale: scale, bias: null, dtype: int32 },
          });
          using result = Tensor.channelsLast(backend, y, shape, int32);
          assertEquals([...await result.data()], exact, `${JSON.stringify(c)}, turn ${turn}`);
          release(made);
        }
      }
    }),
);

/** One number an output channel. */
function perChannel(made: Made, value: (o: number) => number, dtype: DType, device: Device) {
  const count = made.shape[1];
  return tensor(Array.from({ length: count }, (_, o) => value(o)), { dtype, device });
}

eachBackend(
  "sums become floats, or bytes of another scale",
  (device) =>
    eachTiling(device, async (backend) => {
      for (const [i, c] of few([...CASES.entries()], 4)) {
        const made = make(device, c, i);
        const { x, weight, args, exact, shape, floats } = made;
        const area = shape[2] * shape[3];
        const channel = (at: number) => Math.floor(at / area) % shape[1];
        const scales = Array.from(
          { length: args.wParamCount },
          (_, o) => Math.fround(0.001 * (1 + o % 7)),
        );
        const scaleOf = (at: number) => scales[args.wParamCount > 1 ? channel(at) : 0];
        const wScale = tensor(scales, { device });
        const bias = perChannel(made, (o) => o % 5 - 2, float32, device);
        const clip = i % 2 ? { min: 0, max: 6 } : undefined;
        const product = backend.packedConv(x.channelsLast, weight.operand, {
          ...args,
          clip,
          result: {
            kind: "floats",
            xScale: floats([0.5]),
            wScale: wScale.operand.buffer,
            bias: bias.operand,
            dtype: float32,
          },
        });
        using y = Tensor.channelsLast(backend, product, shape, float32);
        const values = exact.map((sum, at) => {
          const product = Math.fround(sum * Math.fround(0.5 * scaleOf(at)));
          const v = Math.fround(product + channel(at) % 5 - 2);
          return clip ? Math.min(Math.max(v, 0), 6) : v;
        });
        const found = [...await y.data()];
        const off = values.findIndex((v, at) =>
          Math.abs(v - found[at]) > 1e-6 * Math.abs(v) + 1e-6
        );
        assertEquals(off, -1, `${JSON.stringify(c)}: ${found[off]}, not ${values[off]}`);

        const dtype = i % 2 ? int8 : uint8;
        const [zero, least] = [dtype.min + 30, i % 3 ? dtype.min : dtype.min + 30];
        const whole = perChannel(made, (o) => o * 100 - 300, int32, device);
        const bytes = backend.packedConv(x.channelsLast, weight.operand, {
          ...args,
          result: {
            kind: "bytes",
            multiplier: wScale.operand.buffer,
            bias: whole.operand,
            zeroPoint: floats([zero]),
            quantMin: least,
            quantMax: dtype.max,
            dtype,
          },
        });
        using q = Tensor.channelsLast(backend, bytes, shape, dtype);
        const expected = exact.map((sum, at) => {
          const v = Math.fround(Math.fround(sum + channel(at) * 100 - 300) * scaleOf(at));
          return Math.min(Math.max(roundHalfEven(v) + zero, least), dtype.max);
        });
        assertEquals([...await q.data()], expected, JSON.stringify(c));
        const rows = await backend.read(q.channelsLast.buffer);
        const width = Math.ceil(shape[1] / 16) * 16;
        const pads = rows.filter((_, at) => at % width >= shape[1]);
        assertEquals(pads.some((byte) => byte !== 0), false, "rows are filled up with zeros");
        release(made);
      }
    }),
);

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest < 0.5 || rest === 0.5 && floor % 2 === 0 ? floor : floor + 1;
}

eachBackend("pixels are quantized as rows are, from either layout", async (device) => {
  const backend = backendFor(device);
  for (const shape of [[1, 3, 4, 5], [2, 20, 3, 3], [1, 16, 7, 2], [3, 5]]) {
    for (const dtype of [uint8, int8]) {
      const length = shape.reduce((product, size) => product * size, 1);
      const values = Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898) * 4);
      using x = tensor(values, { shape, device });
      using inverseScale = tensor([1 / 0.03125], { device });
      using zeroPoint = tensor([dtype.min + 120], { device });
      const args = {
        inverseScale: inverseScale.operand.buffer,
        zeroPoint: zeroPoint.operand.buffer,
        quantMin: dtype.min,
        quantMax: dtype.max,
        productDtype: float32,
        outputDtype: dtype,
      };
      const plain = backend.quantizeAffine(x.operand, { ...args, blockSize: shape });
      using expected = new Tensor(backend, plain, shape, dtype);
      const rows = backend.copy(expected.channelsLast.buffer);
      for (const input of [x.operand, x.channelsLast]) {
        using q = Tensor.channelsLast(backend, backend.quantizePixels(input, args), shape, dtype);
        assertEquals([...await q.data()], [...await expected.data()], `${shape} ${dtype.name}`);
        assertEquals(
          await backend.read(q.channelsLast.buffer),
          await backend.read(rows),
          "and what fills rows up is zeros",
        );
      }
      backend.release(rows);
    }
  }
});

eachBackend("a weight whose sums could leave an int32 is refused", (device) => {
  const zeros = (shape: number[], dtype: DType) => {
    const length = shape.reduce((product, size) => product * size, 1);
    return tensor(new Uint8Array(length), { shape, dtype, device });
  };
  new PreparedConvWeight(zeros([1, 65793], int8)).dispose();
  assertThrows(
    () => new PreparedConvWeight(zeros([1, 65794], int8)),
    RangeError,
    "adds up 65794 products (65794 channels · 1 taps), of which an int32 holds 65793",
  );
  assertThrows(() => new PreparedConvWeight(zeros([1, 3670, 3, 3], uint8)), RangeError, "33025");
  const zeroPoint = tensor([0, 0, 0], { device });
  assertThrows(
    () => new PreparedConvWeight(zeros([2, 3, 1, 1], int8), { zeroPoint }),
    RangeError,
    "one number or 2",
  );
});

/** Convolutions whose pixels have at most four channels, of few outputs and of many. */
const OF_FEW_CHANNELS = CASES.filter(({ sizes, groups, transposed }) =>
  sizes[1] <= 4 && groups === 1 && !transposed
);

Deno.test("every tile that may be chosen for few channels gives the exact sums [webgpu]", async (t) => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu") as WebGpuBackend;
  const { runtime } = backend;
  const small: Case = { ...OF_FEW_CHANNELS[0], sizes: [1, 3, 5, 2, 3] };
  for (const [i, c] of few([small, ...OF_FEW_CHANNELS].entries().toArray(), 2)) {
    const made = make("webgpu", c, i);
    const { x, weight, args, exact, shape } = made;
    const scale = nowhere(backend);
    const bytes = channelsLastBytes(shape, int32);
    for (const subgroupSize of new Set([backend.subgroupSize, 1])) {
      const steps = new StepList(runtime.pool);
      const y = backend.upload(new Uint8Array(bytes)) as PooledBuffer;
      const result = {
        kind: "floats",
        xScale: scale,
        wScale: scale,
        bias: null,
        dtype: int32,
      } as const;
      const operation = { x: x.channelsLast, w: weight.operand, args: { ...args, result }, y };
      packedConvProduct({ op: "packed conv", ...operation }, { sink: steps, subgroupSize });
      backend.release(y);
      const { retile, buffers, params } = steps.items[0] as RecordedDispatch;
      for (const tile of few(retile!.candidates, 3)) {
        await t.step(`${tile.name}, ${JSON.stringify(c)}`, async () => {
          const { kernel, workgroups } = retile!.build(tile);
          const garbage = backend.upload(new Uint8Array(bytes).fill(0xa5)) as PooledBuffer;
          runtime.dispatch(kernel, [...buffers.slice(0, -1), garbage], params, workgroups);
          using sums = Tensor.channelsLast(backend, garbage, shape, int32);
          assertEquals([...await sums.data()], exact);
        });
      }
    }
    backend.release(scale);
    release(made);
  }
});
