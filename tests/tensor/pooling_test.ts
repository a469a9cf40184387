import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  avgPool1d,
  avgPool2d,
  type Device,
  type DType,
  float32,
  int32,
  int8,
  maxPool1d,
  maxPool2d,
  type MaxPoolOptions,
  type Sizes,
  type Tensor,
  tensor,
  uint8,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";
import { reference } from "../conformance/reference.ts";
import { assertNear } from "../near.ts";

interface Case {
  readonly name: string;
  readonly call: string;
  readonly size: Sizes;
  readonly options: MaxPoolOptions;
}

const torch = reference<Case>("torch-pools");
const CALLS = new Map<string, (x: Tensor, size: Sizes, options: MaxPoolOptions) => Tensor>(
  Object.entries({
    maxPool1d,
    maxPool2d,
    avgPool1d,
    avgPool2d,
    adaptiveAvgPool1d,
    adaptiveAvgPool2d,
    adaptiveMaxPool1d,
    adaptiveMaxPool2d,
  }),
);

eachBackend("pooling gives what PyTorch gives", async (device) => {
  for (const { name, call, size, options } of torch.cases) {
    using x = torch.load(`${name}.x`, device);
    using expected = torch.load(`${name}.y`, device);
    using y = CALLS.get(call)!(x, size, options);
    await assertNear(y, expected, `${name}: ${call} ${size} ${JSON.stringify(options)}`);
  }
});

/** Integers from one end of the dtype to the other. */
function integers(shape: number[], dtype: DType, device: Device): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const span = dtype.max - dtype.min + 1;
  const values = Array.from(
    { length },
    (_, i) => dtype.min + (Math.imul(i + 7, 2654435761) >>> 8) % span,
  );
  return tensor(values, { shape, dtype, device });
}

eachBackend("maxima of bytes are bytes", async (device) => {
  for (const dtype of [int8, uint8]) {
    for (const channels of [3, 16]) {
      using x = integers([2, channels, 5, 6], dtype, device);
      using floats = x.to(float32);
      const options = { stride: 2, padding: 1, ceilMode: true };
      using y = maxPool2d(x, 3, options);
      using expected = maxPool2d(floats, 3, options);
      assertEquals(y.dtype, dtype);
      assert(y.isChannelsLast);
      assertEquals([...await y.data()], [...await expected.data()]);
      using whole = adaptiveMaxPool2d(x, 1);
      using most = adaptiveMaxPool2d(floats, 1);
      assertEquals([...await whole.data()], [...await most.data()]);
    }
  }
});

eachBackend("a NaN spoils the windows that it lies in, an infinity does not", async (device) => {
  using x = tensor([[[NaN, 1, -Infinity, -Infinity, 2, Infinity]]], { device });
  assertEquals([...await maxPool1d(x, 2).data()], [NaN, -Infinity, Infinity]);
  assertEquals([...await avgPool1d(x, 2).data()], [NaN, -Infinity, Infinity]);
  assertEquals([...await adaptiveMaxPool1d(x, 1).data()], [NaN]);
});

eachBackend("sides of a padding may differ", async (device) => {
  using x = tensor([[[1, 2, 3]]], { device });
  const padding: [number, number][] = [[1, 0]];
  assertEquals([...await maxPool1d(x, 2, { stride: 1, padding }).data()], [1, 2, 3]);
  assertEquals([...await avgPool1d(x, 2, { stride: 1, padding }).data()], [0.5, 1.5, 2.5]);
  const options = { stride: 1, padding, countIncludePad: false };
  assertEquals([...await avgPool1d(x, 2, options).data()], [1, 1.5, 2.5]);
});

eachBackend("pooling refuses what does not fit", (device) => {
  const x = zeros([1, 2, 5, 5], { device });
  assertThrows(() => maxPool2d(x, 2, { padding: 2 }), RangeError, "at most half");
  assertThrows(() => maxPool2d(x, 6), RangeError, "does not fit an input of (5, 5)");
  assertThrows(() => maxPool1d(x, 2), RangeError, "(N, C, L) or (C, L)");
  assertThrows(() => avgPool2d(x, 0), RangeError, "kernelSize must be an integer of at least 1");
  assertThrows(() => avgPool2d(x, 2, { divisorOverride: 0 }), RangeError, "positive integer");
  assertThrows(() => avgPool2d(zeros([1, 2, 5, 5], { device, dtype: int32 }), 2), TypeError);
  assertThrows(() => adaptiveAvgPool2d(x, [1, 2, 3]), RangeError, "a list of 2");
  assertThrows(
    () => maxPool2d(x, 2, { ceil_mode: true } as MaxPoolOptions),
    TypeError,
    "did you mean ceilMode",
  );
});
