import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  backendFor,
  bfloat16,
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  convTranspose1d,
  convTranspose2d,
  type Device,
  type DType,
  float16,
  float32,
  PreparedConvWeight,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { eachBackend, eachTiling, few } from "../backends.ts";
import { reference } from "../conformance/reference.ts";
import { assertNear } from "../near.ts";

interface Case {
  readonly name: string;
  readonly rank: number;
  readonly transposed: boolean;
  readonly options: ConvOptions;
}

const torch = reference<Case>("torch-convolutions");
const PLAIN = [conv1d, conv2d, conv3d];
const TRANSPOSED = [convTranspose1d, convTranspose2d];

eachBackend("convolutions give what PyTorch gives", async (device) => {
  for (const { name, rank, transposed, options } of few(torch.cases, 12)) {
    using x = torch.load(`${name}.x`, device);
    using w = torch.load(`${name}.w`, device);
    using b = torch.has(`${name}.b`) ? torch.load(`${name}.b`, device) : null;
    using expected = torch.load(`${name}.y`, device);
    const convolve = (transposed ? TRANSPOSED : PLAIN)[rank - 1] as typeof conv1d;
    using y = convolve(x, w, b, options);
    await assertNear(y, expected, `${name} ${JSON.stringify(options)}`);
  }
});

/** Small whole numbers, whose sums are exact in every dtype. */
function whole(shape: number[], seed: number, dtype: DType, device: Device): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 24) % 3 - 1);
  return tensor(values, { shape, dtype, device });
}

/** A convolution of images by its definition. */
async function slow(x: Tensor, w: Tensor, y: Tensor, options: Plain): Promise<number[]> {
  const { stride, padding, dilation, groups } = options;
  const [, c, h, width] = x.shape;
  const [o, perGroup, kh, kw] = w.shape;
  const [xs, ws] = [await x.data(), await w.data()];
  const [n, , oh, ow] = y.shape;
  const sums: number[] = [];
  for (let i = 0; i < n * o * oh * ow; i++) {
    const at = [Math.floor(i / (o * oh * ow)), Math.floor(i / (oh * ow)) % o];
    const [down, across] = [Math.floor(i / ow) % oh, i % ow];
    const group = Math.floor(at[1] / (o / groups));
    let sum = 0;
    for (let t = 0; t < perGroup * kh * kw; t++) {
      const channel = group * perGroup + Math.floor(t / (kh * kw));
      const iy = down * stride - padding + Math.floor(t / kw) % kh * dilation;
      const ix = across * stride - padding + t % kw * dilation;
      if (iy < 0 || ix < 0 || iy >= h || ix >= width) continue;
      sum += xs[((at[0] * c + channel) * h + iy) * width + ix] * ws[at[1] * perGroup * kh * kw + t];
    }
    sums.push(sum);
  }
  return sums;
}

type Plain = Required<{ [O in keyof ConvOptions]: number }>;

/** Images, channels in and out, height, width, kernel, stride, padding, dilation, groups. */
const GRIDS = [
  [1, 3, 5, 7, 6, 1, 1, 0, 1, 1],
  [2, 4, 33, 5, 7, 3, 1, 1, 1, 1],
  [1, 8, 70, 9, 9, 3, 2, 1, 1, 1],
  [1, 16, 40, 4, 3, 2, 1, 1, 1, 1],
  [1, 24, 24, 5, 5, 3, 1, 1, 1, 3],
  [1, 16, 32, 6, 5, 3, 1, 2, 2, 2],
  [2, 6, 9, 4, 4, 3, 1, 1, 1, 3],
  [3, 9, 9, 7, 6, 3, 2, 1, 1, 9],
  [1, 16, 16, 5, 9, 5, 1, 2, 1, 16],
  [1, 10, 20, 5, 5, 3, 1, 1, 1, 10],
  [1, 2, 3, 1, 1, 1, 1, 0, 1, 1],
];

eachBackend(
  "a convolution of any size, dtype and tile is exact",
  (device) =>
    eachTiling(device, async () => {
      for (const [turn, grid] of few([...GRIDS.entries()], 6)) {
        const [n, c, o, h, w, k, stride, padding, dilation, groups] = grid;
        for (const dtype of [float32, [float16, bfloat16][turn % 2]]) {
          const options = { stride, padding, dilation, groups };
          using x = whole([n, c, h, w], turn, dtype, device);
          using weight = whole([o, c / groups, k, k], turn + 5, dtype, device);
          using y = conv2d(x, weight, null, options);
          const name = `${grid} ${dtype.name}`;
          assertEquals(
            [...await y.data()].map((v) => v + 0),
            await slow(x, weight, y, options),
            name,
          );
          await checkPads(y, name);
        }
      }
    }),
);

/** Fails unless what fills rows of channels up is zeros. */
async function checkPads(y: Tensor, name: string): Promise<void> {
  assert(y.isChannelsLast, name);
  const { backend, dtype, shape } = y;
  const bytes = await backend.read(y.channelsLast.buffer);
  const row = bytes.length / (y.numel / shape[1]);
  const filled = bytes.filter((_, i) => i % row >= shape[1] * dtype.itemSize);
  assert(filled.every((byte) => byte === 0), `${name}: rows are filled up with zeros`);
}

eachBackend("sides of a padding may differ", async (device) => {
  using x = tensor([[[1, 2, 3]]], { device });
  using w = tensor([[[1, 10]]], { device });
  using y = conv1d(x, w, null, { padding: [[2, 1]] });
  assertEquals([...await y.data()], [0, 10, 21, 32, 3]);
  using t = convTranspose1d(x, w, null, { padding: [[1, 0]] });
  assertEquals([...await t.data()], [12, 23, 30]);
});

eachBackend("no images give no images", async (device) => {
  using x = zeros([0, 3, 4, 4], { device });
  using w = zeros([2, 3, 3, 3], { device });
  using y = conv2d(x, w);
  assertEquals(y.shape, [0, 2, 2, 2]);
  assertEquals([...await y.data()], []);
});

eachBackend("a weight that is made ready gives the same numbers, and is freed", async (device) => {
  const backend = backendFor(device);
  using x = whole([1, 6, 5, 5], 1, float32, device);
  using w = whole([4, 3, 3, 3], 2, float32, device);
  const before = backend.memory().liveBuffers;
  {
    using ready = new PreparedConvWeight(w, { groups: 2 });
    using y = conv2d(x, ready);
    using z = conv2d(x, w, null, { groups: 2 });
    assertEquals(await y.data(), await z.data());
    assertThrows(() => convTranspose2d(x, ready), TypeError, "plain convolution of 2 groups");
    assertThrows(() => conv2d(x, ready, null, { groups: 1 }), TypeError, "of 2 groups");
  }
  assertEquals(backend.memory().liveBuffers, before + 1, "x has its channels last too");
});

eachBackend("convolutions refuse what does not fit", (device) => {
  const of = (shape: number[], dtype = float32) => zeros(shape, { dtype, device });
  const [x, w] = [of([1, 4, 5, 5]), of([2, 4, 3, 3])];
  assertThrows(() => conv2d(x, of([2, 3, 3, 3])), RangeError, "(N, 3, H, W)");
  assertThrows(() => conv1d(x, w), RangeError, "(N, 4, L)");
  assertThrows(() => conv2d(x, of([2, 4, 6, 3])), RangeError, "does not fit an input of (5, 5)");
  assertThrows(() => conv2d(x, w, of([3])), RangeError, "shape (2,)");
  assertThrows(() => conv2d(x, w.to(float16)), TypeError, "convert one");
  assertThrows(() => conv2d(x, w, null, { groups: 3 }), RangeError, "groups must divide");
  assertThrows(() => conv2d(x, w, null, { stride: 0 }), RangeError, "stride must be an integer");
  assertThrows(() => conv2d(x, w, null, { padding: [1] }), RangeError, "a list of 2");
  assertThrows(
    () => conv2d(x, w, null, { padding: "same", stride: 2 }),
    RangeError,
    "a stride of 1",
  );
  assertThrows(
    () => conv2d(x, w, null, { strides: 2 } as ConvOptions),
    TypeError,
    "did you mean stride",
  );
  const t = of([4, 2, 2, 2]);
  assertThrows(() => convTranspose2d(x, t, null, { outputPadding: 1 }), RangeError, "less than");
  assertThrows(() => convTranspose2d(x, t, null, { padding: 3 }), RangeError, "nothing is left");
});
