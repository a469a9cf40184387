/** Integer kernels give the bytes that onnxruntime's CPU kernels gave. */
import { assertEquals } from "@std/assert";
import {
  type Backend,
  backendFor,
  type Device,
  PreparedConvWeight,
  Tensor,
  tensor,
} from "../../mod.ts";
import { eachBackend, few } from "../backends.ts";
import { reference } from "../conformance/reference.ts";

interface Quantized {
  readonly name: string;
  readonly stride: number;
  readonly padding: number;
  readonly sx: number;
  readonly sy: number;
  readonly zx: number;
  readonly zy: number;
}

interface Conv extends Quantized {
  readonly op: "conv";
  readonly groups: number;
  readonly zw: number[];
}

interface Pool extends Quantized {
  readonly op: "max" | "average" | "globalAverage";
  readonly kernel: number;
  readonly countPadding: boolean;
}

const recorded = reference<Conv | Pool>("ort-integers");

/** Float32 numbers on a device, kept in a list for as long as they are used. */
function floatsOn(device: Device, alive: Disposable[]) {
  return (...values: number[]) => {
    const t = tensor(values, { device });
    alive.push(t);
    return t.operand.buffer;
  };
}

function convolve(backend: Backend, x: Tensor, c: Conv, alive: Disposable[]): Promise<Tensor> {
  const { device } = backend;
  const floats = floatsOn(device, alive);
  const [w, sw, b] = ["w", "sw", "b"].map((name) => recorded.load(`${c.name}.${name}`, device));
  const zero = tensor(c.zw, { device });
  const weight = new PreparedConvWeight(w, { groups: c.groups, zeroPoint: zero });
  alive.push(w, sw, b, zero);
  return sw.data().then((scales) => {
    const multiplier = Array.from(
      scales,
      (s) => Math.fround(Math.fround(Math.fround(c.sx) * s) / Math.fround(c.sy)),
    );
    const output = x.shape.slice(2).map((size, d) =>
      Math.floor((size + 2 * c.padding - weight.shape[2 + d]) / c.stride) + 1
    );
    const { dtype } = x;
    const y = backend.packedConv(x.channelsLast, weight.operand, {
      output,
      stride: [c.stride, c.stride],
      before: [c.padding, c.padding],
      dilation: [1, 1],
      xZeroPoint: floats(c.zx),
      wZeroPoint: zero.operand.buffer,
      wParamCount: scales.length,
      result: {
        kind: "bytes",
        multiplier: floats(...multiplier),
        bias: b.operand,
        zeroPoint: floats(c.zy),
        quantMin: dtype.min,
        quantMax: dtype.max,
        dtype,
      },
    });
    alive.push(weight);
    return Tensor.channelsLast(backend, y, [x.shape[0], weight.shape[0], ...output], dtype);
  });
}

function pool(backend: Backend, x: Tensor, c: Pool, alive: Disposable[]): Tensor {
  const floats = floatsOn(backend.device, alive);
  const whole = c.op === "globalAverage";
  const both = (size: number) => [size, size];
  const output = x.shape.slice(2).map((size) =>
    whole ? 1 : Math.floor((size + 2 * c.padding - c.kernel) / c.stride) + 1
  );
  const { dtype } = x;
  const y = backend.pool(x.channelsLast, {
    kind: c.op === "max" ? "max" : "average",
    output,
    windows: whole ? null : {
      kernel: both(c.kernel),
      stride: both(c.stride),
      before: both(c.padding),
      after: both(c.padding),
      dilation: [1, 1],
    },
    countPadding: c.countPadding,
    rescale: c.op === "max" ? undefined : {
      xScale: floats(c.sx),
      xZeroPoint: floats(c.zx),
      yScale: floats(c.sy),
      yZeroPoint: floats(c.zy),
      quantMin: dtype.min,
      quantMax: dtype.max,
    },
  });
  return Tensor.channelsLast(backend, y, [...x.shape.slice(0, 2), ...output], dtype);
}

eachBackend("convolutions and pools of bytes give onnxruntime's bytes", async (device) => {
  const backend = backendFor(device);
  for (const c of few(recorded.cases, 12)) {
    const alive: Disposable[] = [];
    using x = recorded.load(`${c.name}.x`, device);
    using expected = recorded.load(`${c.name}.y`, device);
    using y = c.op === "conv" ? await convolve(backend, x, c, alive) : pool(backend, x, c, alive);
    assertEquals(y.shape, expected.shape, c.name);
    assertEquals([...await y.data()], [...await expected.data()], JSON.stringify(c));
    alive.forEach((t) => t[Symbol.dispose]());
  }
});
