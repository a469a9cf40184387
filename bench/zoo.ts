/**
 * Networks that quantizers are measured on and that no package has: written of this library's layers, with weights
 * drawn from a seed, batch norms set to what they see, and a last layer fitted to MNIST's digits by least squares. So
 * they are right about digits, take seconds to make, and are the same on every machine.
 *
 * @module
 */
import {
  AdaptiveAvgPool2d,
  add,
  BatchNorm2d,
  Conv2d,
  exportOnnx,
  Hardsigmoid,
  Hardswish,
  LayerNorm,
  Linear,
  loadOnnx,
  LSTM,
  manualSeed,
  Module,
  mul,
  OnnxRuntime,
  permute,
  ReLU,
  Sequential,
  SiLU,
  type Tensor,
  tensor,
  TransformerEncoderLayer,
  Upsample,
} from "../mod.ts";
import { cat } from "../lib/tensor/movement.ts";
import { sub } from "../lib/tensor/pointwise.ts";
import { mean } from "../lib/tensor/reduction.ts";
import { factorize } from "../lib/quantization/improve/cholesky.ts";
import { loadMnist, MNIST_PIXELS } from "../examples/support/mnist_data.ts";
import { SeededRandom } from "../examples/support/seeded_random.ts";

/** What a network is shown: pictures of one size, and the right answers. */
export interface Shown {
  /** (N, 1, side, side). */
  readonly images: Float32Array<ArrayBuffer>;
  readonly side: number;
  readonly count: number;
  /** For each picture the digits that are in it. */
  readonly digits: readonly (readonly Digit[])[];
}

/** A digit and where it is, in pixels. */
export interface Digit {
  readonly label: number;
  readonly box: readonly [left: number, top: number, right: number, bottom: number];
}

const conv = (from: number, to: number, size = 1, stride = 1, groups = 1) =>
  new Sequential([
    new Conv2d(from, to, size, {
      ...{ stride, groups, padding: (size - 1) / 2, bias: false },
    }),
    new BatchNorm2d(to),
  ]);

/** A block of MobileNetV3: wider, depthwise, squeezed and excited, narrow again. */
class Inverted extends Module {
  readonly expand: Module;
  readonly depthwise: Module;
  readonly excite: Module;
  readonly project: Module;
  readonly act = new Hardswish();

  private readonly keeps: boolean;

  constructor(from: number, to: number, stride: number) {
    super();
    this.keeps = from === to && stride === 1;
    const wide = 4 * from;
    this.expand = conv(from, wide);
    this.depthwise = conv(wide, wide, 5, stride, wide);
    this.excite = new Sequential([
      new AdaptiveAvgPool2d(1),
      new Conv2d(wide, wide / 4, 1),
      new ReLU(),
      new Conv2d(wide / 4, wide, 1),
      new Hardsigmoid(),
    ]);
    this.project = conv(wide, to);
  }

  override forward(x: Tensor): Tensor {
    const wide = this.act.forward(this.expand.forward(x));
    const seen = this.act.forward(this.depthwise.forward(wide));
    const y = this.project.forward(mul(seen, this.excite.forward(seen)));
    return this.keeps ? add(x, y) : y;
  }
}

/** Two convolutions and what goes around them. */
class Residual extends Module {
  readonly body: Module;
  readonly around: Module | null;
  readonly relu = new ReLU();

  constructor(from: number, to: number, stride: number) {
    super();
    this.body = new Sequential([conv(from, to, 3, stride), new ReLU(), conv(to, to, 3)]);
    this.around = from === to && stride === 1 ? null : conv(from, to, 1, stride);
  }

  override forward(x: Tensor): Tensor {
    return this.relu.forward(add(this.body.forward(x), this.around?.forward(x) ?? x));
  }
}

/** A network: features of pictures, then a last layer that is fitted. */
abstract class Network extends Module {
  abstract readonly head: Linear | Conv2d;

  /** What the head reads. */
  abstract features(x: Tensor): Tensor;

  override forward(x: Tensor): Tensor {
    return this.head.forward(this.features(x));
  }
}

/** Features without the head, to be fitted on. */
class Trunk extends Module {
  constructor(readonly network: Network) {
    super();
  }
  override forward(x: Tensor): Tensor {
    return this.network.features(x);
  }
}

class MobileNet extends Network {
  readonly stem = new Sequential([conv(1, 16, 3, 1), new Hardswish()]);
  readonly blocks: Module = new Sequential([
    new Inverted(16, 24, 2),
    new Inverted(24, 24, 1),
    new Inverted(24, 40, 2),
    new Inverted(40, 40, 1),
    new Inverted(40, 64, 2),
  ]);
  readonly last = new Sequential([conv(64, 96), new Hardswish()]);
  readonly head = new Linear(96 * 16, 10);
  override features(x: Tensor): Tensor {
    const y = this.last.forward(this.blocks.forward(this.stem.forward(x)));
    return y.reshape(x.shape[0], 96 * 16);
  }
}

class ResNet extends Network {
  readonly stem = new Sequential([conv(1, 16, 3), new ReLU()]);
  readonly blocks = new Sequential([
    new Residual(16, 16, 1),
    new Residual(16, 32, 2),
    new Residual(32, 64, 2),
    new Residual(64, 64, 2),
  ]);
  readonly head = new Linear(64 * 16, 10);
  override features(x: Tensor): Tensor {
    return this.blocks.forward(this.stem.forward(x)).reshape(x.shape[0], 64 * 16);
  }
}

class Vit extends Network {
  readonly patches = new Conv2d(1, 96, 4, { stride: 4 });
  readonly blocks = new Sequential(
    Array.from({ length: 4 }, () =>
      new TransformerEncoderLayer(96, 4, {
        ...{ dimFeedforward: 192, activation: "gelu", batchFirst: true, normFirst: true },
      })),
  );
  readonly norm = new LayerNorm(96);
  readonly head = new Linear(96 * 49, 10);
  override features(x: Tensor): Tensor {
    const [n] = x.shape;
    const rows = permute(this.patches.forward(x).reshape(n, 96, 49), [0, 2, 1]);
    return this.norm.forward(this.blocks.forward(rows)).reshape(n, 96 * 49);
  }
}

/** Reads the rows of a picture one after the other. */
class Rows extends Network {
  readonly lstm = new LSTM(28, 96, { batchFirst: true, numLayers: 2 });
  readonly head = new Linear(28 * 96, 10);
  override features(x: Tensor): Tensor {
    const [n] = x.shape;
    return this.lstm.forward(x.reshape(n, 28, 28)).reshape(n, 28 * 96);
  }
}

/** Where digits are, and which: two scales joined, a vector for each cell of 8 × 8 pixels. */
class Detector extends Network {
  readonly near: Module = new Sequential([
    ...[conv(1, 16, 3), new SiLU(), new Residual(16, 32, 2), new Residual(32, 64, 2)],
    new Residual(64, 128, 2),
  ]);
  readonly far = new Sequential([
    ...[new Residual(128, 128, 2), new Upsample({ scaleFactor: 2 })],
  ]);
  readonly join = new Sequential([conv(256, 256, 3), new SiLU()]);
  readonly head = new Conv2d(256, 15, 1);
  override features(x: Tensor): Tensor {
    const near = this.near.forward(x);
    return this.join.forward(cat([near, this.far.forward(near)], 1));
  }
}

/** What a cell of the detector has: is there a digit's middle, its box about the cell, which digit it is. */
export const CELL = 8;

/** The networks, by name; what a detector is shown is wider. */
const NETWORKS = {
  mobilenet: { make: () => new MobileNet(), side: 28 },
  resnet: { make: () => new ResNet(), side: 28 },
  vit: { make: () => new Vit(), side: 28 },
  lstm: { make: () => new Rows(), side: 28 },
  detector: { make: () => new Detector(), side: 96 },
} as const;

/** The name of a network. */
export type ZooName = keyof typeof NETWORKS;

/** Their names. */
export const ZOO = Object.keys(NETWORKS) as ZooName[];

/** Digits `from` to `to` of MNIST's training images, one a picture. */
export function digits(from: number, to: number): Shown {
  const { train } = loadMnist({ train: to, test: 0 });
  const images = train.images.slice(from * MNIST_PIXELS);
  const labels = [...train.labels.subarray(from)];
  return {
    ...{ images, side: 28, count: to - from },
    digits: labels.map((label) => [{ label, box: [0, 0, 28, 28] as const }]),
  };
}

/** Pictures with one to four of those digits each, in places drawn from a seed. */
export function scenes(from: number, to: number, side: number): Shown {
  const single = digits(from, to);
  const random = new SeededRandom(from + 1);
  const [images, found]: [number[][], Digit[][]] = [[], []];
  for (let i = 0; i < single.count;) {
    const image = new Array<number>(side * side).fill(0);
    const here: Digit[] = [];
    const most = 1 + Math.floor(random.uniform() * 4);
    for (let tries = 0; tries < 8 && here.length < most && i < single.count; tries++) {
      const [left, top] = [random, random].map((r) => Math.floor(r.uniform() * (side - 28)));
      const box = [left, top, left + 28, top + 28] as const;
      if (here.some((other) => overlap(other.box, box) > 0)) continue;
      for (let y = 0; y < 28; y++) {
        for (let x = 0; x < 28; x++) {
          image[(top + y) * side + left + x] = single.images[i * MNIST_PIXELS + y * 28 + x];
        }
      }
      here.push({ label: single.digits[i++][0].label, box });
    }
    images.push(image);
    found.push(here);
  }
  return { images: Float32Array.from(images.flat()), side, count: images.length, digits: found };
}

/** The share that two boxes have in common of what they cover together. */
export function overlap(a: Digit["box"], b: Digit["box"]): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([left, top, right, bottom]: Digit["box"]) => (right - left) * (bottom - top);
  return width * height / (area(a) + area(b) - width * height);
}

/** Some of the pictures as a tensor. */
function batch({ images, side }: Shown, from: number, to: number): Tensor {
  const pixels = side * side;
  return tensor(images.subarray(from * pixels, to * pixels), { shape: [to - from, 1, side, side] });
}

/** Pixels of pictures that batch norms are set by: 16 digits, or two wide pictures. */
const NORM_PIXELS = 16 * 28 ** 2;

/** Sets each batch norm, as it is run, to the mean and variance of what it reads. */
function setNorms(network: Network, x: Tensor): void {
  const norms = network.namedModules().map(([, module]) => module)
    .filter((module) => module instanceof BatchNorm2d);
  for (const norm of norms) {
    Object.defineProperty(norm, "forward", {
      configurable: true,
      value: (x: Tensor) => {
        const centred = sub(x, mean(x, [0, 2, 3], { keepdim: true }));
        norm.running_mean = mean(x, [0, 2, 3]).keep();
        norm.running_var = mean(mul(centred, centred), [0, 2, 3]).keep();
        return BatchNorm2d.prototype.forward.call(norm, x);
      },
    });
  }
  network.features(x).dispose();
  for (const norm of norms) delete (norm as { forward?: unknown }).forward;
}

/** What the head should give for each row of features. */
function targets({ digits, side }: Shown, outputs: number): Float32Array {
  if (outputs === 10) {
    return Float32Array.from(digits.flatMap(([{ label }]) => oneHot(label)));
  }
  const cells = side / CELL;
  return Float32Array.from(
    digits.flatMap((here) =>
      Array.from({ length: cells * cells }, (_, cell) => {
        const [x, y] = [(cell % cells) * CELL, Math.floor(cell / cells) * CELL];
        const digit = here.find(({ box: [left, top] }) =>
          left + 14 >= x && left + 14 < x + CELL && top + 14 >= y && top + 14 < y + CELL
        );
        if (!digit) return new Array<number>(15).fill(0);
        const box = digit.box.map((at, i) => (at - (i % 2 ? y : x)) / 28);
        return [1, ...box, ...oneHot(digit.label)];
      }).flat()
    ),
  );
}

function oneHot(label: number): number[] {
  return Array.from({ length: 10 }, (_, digit) => digit === label ? 1 : 0);
}

/** The weights that give `wanted` of features with the least squares, the last number of a row being the bias. */
export function leastSquares(
  features: Float32Array,
  size: number,
  wanted: Float32Array,
  outputs: number,
): Float64Array {
  const rows = features.length / size;
  const n = size + 1;
  const [normal, right] = [new Float64Array(n * n), new Float64Array(n * outputs)];
  const row = new Float64Array(n).fill(1);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < size; i++) row[i] = features[r * size + i];
    for (let i = 0; i < n; i++) {
      if (row[i] === 0) continue;
      for (let j = i; j < n; j++) normal[i * n + j] += row[i] * row[j];
      for (let o = 0; o < outputs; o++) right[i * outputs + o] += row[i] * wanted[r * outputs + o];
    }
  }
  for (let i = 0; i < n; i++) normal[i * n + i] += 1e-3 * rows;
  factorize(normal, n);
  // Uᵀ·z = right, then U·w = z.
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < n; i++) {
      let sum = right[i * outputs + o];
      for (let k = 0; k < i; k++) sum -= normal[k * n + i] * right[k * outputs + o];
      right[i * outputs + o] = sum / normal[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = right[i * outputs + o];
      for (let k = i + 1; k < n; k++) sum -= normal[i * n + k] * right[k * outputs + o];
      right[i * outputs + o] = sum / normal[i * n + i];
    }
  }
  return right;
}

/** Fits the head to what is shown. */
async function fitHead(network: Network, shown: Shown): Promise<void> {
  const file = await exportOnnx(new Trunk(network), batch(shown, 0, 1));
  await using runtime = await OnnxRuntime.open("bench", await loadOnnx(file));
  const size = network.head.weight.shape[1];
  const outputs = network.head.weight.shape[0];
  const parts: Float32Array[] = [];
  for (let i = 0; i < shown.count; i += 50) {
    const input = batch(shown, i, Math.min(i + 50, shown.count));
    const { output: { data, dims } } = await runtime.run({ input });
    parts.push(rowsOf(data as Float32Array, dims, size));
  }
  const features = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (features.set(part, at), at + part.length), 0);
  const weights = leastSquares(features, size, targets(shown, outputs), outputs);
  const weight = Float32Array.from(
    { length: outputs * size },
    (_, i) => weights[(i % size) * outputs + Math.floor(i / size)],
  );
  const bias = Float32Array.from(weights.subarray(size * outputs));
  network.head.weight = tensor(weight, { shape: network.head.weight.shape }).keep();
  network.head.bias = tensor(bias).keep();
}

/** Features of each picture, or of each cell, a row each. */
function rowsOf(data: Float32Array, dims: readonly number[], size: number): Float32Array {
  if (dims.length === 2) return data.slice();
  const pixels = dims[2] * dims[3];
  return Float32Array.from(data, (_, i) => {
    const [row, c] = [Math.floor(i / size), i % size];
    return data[(Math.floor(row / pixels) * size + c) * pixels + row % pixels];
  });
}

/**
 * A network as a file, and what it is shown: what it was fitted to comes before, what it is judged on after.
 *
 * @param known the file, if it was made before.
 */
export async function makeNetwork(
  name: ZooName,
  { fitted = 2000, known }: { fitted?: number; known?: Uint8Array<ArrayBuffer> } = {},
): Promise<{ file: Uint8Array<ArrayBuffer>; shown: (from: number, to: number) => Shown }> {
  const { make, side } = NETWORKS[name];
  const shown = (from: number, to: number) =>
    side === 28 ? digits(from, to) : scenes(from, to, side);
  if (known) return { file: known, shown };
  manualSeed(1);
  const network: Network = make();
  const seen = shown(0, fitted);
  setNorms(network, batch(seen, 0, Math.ceil(NORM_PIXELS / side ** 2)));
  await fitHead(network, seen);
  const file = await exportOnnx(network, batch(seen, 0, 1), {
    name,
    inputNames: ["image"],
    outputName: side === 28 ? "logits" : "cells",
  }) as Uint8Array<ArrayBuffer>;
  return { file, shown };
}
