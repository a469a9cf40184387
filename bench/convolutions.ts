/**
 * Convolutions of this project beside TensorFlow.js and jax-js, on one adapter, in one run. Inputs and
 * weights lie on the device in the order in which each library likes them best. On a software adapter the time of
 * processors is what compares, for others may keep the machine busy.
 *
 * Run: `deno task bench:convolutions`, or with the numbers of the convolutions to run as arguments.
 *
 * @module
 */
import {
  backendFor,
  conv2d,
  init,
  int32,
  int8 as signed,
  mul,
  PreparedConvWeight,
  randn,
  Tensor,
  tensor,
  uint8,
  zeros,
} from "../mod.ts";
import { type Candidate, measure } from "./measure.ts";

/** A convolution of one image, as many zeros on each side as keep its size but for the stride. */
interface Convolution {
  readonly name: string;
  readonly size: readonly [height: number, width: number];
  readonly channels: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly depthwise?: boolean;
}

/** Of ResNet, of MobileNet and of the text recognizer of PP-OCRv4. */
const CONVOLUTIONS: readonly Convolution[] = [
  { name: "3×3, 64 to 64", size: [56, 56], channels: 64, out: 64, kernel: 3, stride: 1 },
  { name: "3×3, 128 to 128", size: [28, 28], channels: 128, out: 128, kernel: 3, stride: 1 },
  { name: "1×1, 256 to 512", size: [28, 28], channels: 256, out: 512, kernel: 1, stride: 1 },
  { name: "7×7 / 2, 3 to 64", size: [224, 224], channels: 3, out: 64, kernel: 7, stride: 2 },
  {
    name: "3×3 of each of 32",
    size: [112, 112],
    channels: 32,
    out: 32,
    kernel: 3,
    stride: 1,
    depthwise: true,
  },
  { name: "1×1, 240 to 240", size: [12, 80], channels: 240, out: 240, kernel: 1, stride: 1 },
];

const paddingOf = ({ kernel }: Convolution) => (kernel - 1) / 2;

/** A multiplication and an addition for each tap of each output. */
function operations(convolution: Convolution): number {
  const { size, channels, out, kernel, stride, depthwise } = convolution;
  const outputs = size.map((length) => Math.ceil(length / stride));
  return 2 * outputs[0] * outputs[1] * out * kernel ** 2 * (depthwise ? 1 : channels);
}

/** Input and weight in this project's order: (N, C, H, W) and (out, in / groups, KH, KW). */
function operands({ size, channels, out, kernel, depthwise }: Convolution): [Tensor, Tensor] {
  return [
    randn([1, channels, ...size]),
    randn([out, depthwise ? 1 : channels, kernel, kernel]),
  ];
}

function float32(convolution: Convolution): Candidate {
  const [x, weight] = operands(convolution);
  const groups = convolution.depthwise ? convolution.channels : 1;
  const w = new PreparedConvWeight(weight, { groups });
  const options = { stride: convolution.stride, padding: paddingOf(convolution) };
  const fence = zeros([1]);
  void x.channelsLast; // as it comes out of the layer before
  return {
    name: "float32",
    run: () => conv2d(x, w, null, options).dispose(),
    finish: async () => void await fence.data(),
    dispose: () => [x, weight, w, fence].forEach((t) => t.dispose()),
  };
}

/** Bytes of channels last to such bytes, as between layers whose sums are quantized for the next. */
function int8(convolution: Convolution): Candidate {
  const [x, weight] = operands(convolution);
  const backend = backendFor("webgpu");
  const { out, stride, depthwise, channels } = convolution;
  const [xScale, zeroPoint, multiplier] = [tensor([16]), tensor([128]), tensor(filled(out, 0.01))];
  const [inverseScale, bias] = [xScale, tensor(filled(out, 7), { dtype: int32 })];
  const integers = { quantMin: 0, quantMax: 255, zeroPoint: zeroPoint.operand.buffer };
  const bytes = backend.quantizePixels(x.operand, {
    ...integers,
    inverseScale: inverseScale.operand.buffer,
    productDtype: x.dtype,
    outputDtype: uint8,
  });
  const pixels = Tensor.channelsLast(backend, bytes, x.shape, uint8);
  const groups = depthwise ? channels : 1;
  const w = new PreparedConvWeight(mul(weight, 32).to(signed), { groups });
  const padding = paddingOf(convolution);
  const args = {
    output: convolution.size.map((length) => Math.ceil(length / stride)),
    stride: [stride, stride],
    before: [padding, padding],
    dilation: [1, 1],
    xZeroPoint: zeroPoint.operand.buffer,
    wZeroPoint: null,
    wParamCount: out,
    result: {
      ...integers,
      kind: "bytes",
      multiplier: multiplier.operand.buffer,
      bias: bias.operand,
      dtype: uint8,
    },
  } as const;
  const fence = zeros([1]);
  return {
    name: "int8",
    run: () => backend.release(backend.packedConv(pixels.channelsLast, w.operand, args)),
    finish: async () => void await fence.data(),
    dispose: () =>
      [x, weight, pixels, w, fence, xScale, zeroPoint, multiplier, bias].forEach((t) =>
        t.dispose()
      ),
  };
}

const filled = (length: number, value: number) => new Array<number>(length).fill(value);

async function tensorflow(convolution: Convolution): Promise<Candidate> {
  const tf = await import("@tensorflow/tfjs-core");
  await import("@tensorflow/tfjs-backend-webgpu");
  if (!await tf.setBackend("webgpu")) throw new Error("its WebGPU backend did not start");
  const { size, channels, out, kernel, stride, depthwise } = convolution;
  const x = tf.randomUniform([1, ...size, channels]) as import("@tensorflow/tfjs-core").Tensor4D;
  const shape = [kernel, kernel, channels, depthwise ? 1 : out] as [number, number, number, number];
  const w = tf.randomUniform(shape) as typeof x;
  const convolve = depthwise ? tf.depthwiseConv2d<typeof x> : tf.conv2d<typeof x>;
  let last: typeof x | undefined;
  return {
    name: "TF.js",
    run: () => {
      last?.dispose();
      last = convolve(x, w, stride, paddingOf(convolution));
    },
    finish: async () => {
      const corner = tf.slice(last!, [0, 0, 0, 0], [1, 1, 1, 1]);
      await corner.data();
      corner.dispose();
    },
    dispose: () => {
      tf.dispose([x, w]);
      last?.dispose();
    },
  };
}

async function jaxJs(convolution: Convolution): Promise<Candidate> {
  const jax = await import("@jax-js/jax");
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const { lax, numpy: np } = jax;
  const { size, channels, out, kernel, stride, depthwise } = convolution;
  const random = (shape: number[]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    return np.array(Float32Array.from({ length }, () => Math.random() - 0.5)).reshape(shape);
  };
  const x = random([1, channels, ...size]);
  const w = random([out, depthwise ? 1 : channels, kernel, kernel]);
  type Array = typeof x;
  const pad = paddingOf(convolution);
  const padding: [number, number][] = [[pad, pad], [pad, pad]];
  const options = { featureGroupCount: depthwise ? channels : 1 };
  const convolve = jax.jit((x: Array, w: Array) =>
    lax.convGeneralDilated(x, w, [stride, stride], padding, options)
  );
  const results: Array[] = [];
  return {
    name: "jax-js",
    run: () => void results.push(convolve(x.ref, w.ref)),
    finish: async () => {
      await jax.blockUntilReady(results);
      results.splice(0).forEach((y) => y.dispose());
    },
    dispose: () => {
      x.dispose();
      w.dispose();
    },
  };
}

const chosen = Deno.args.length
  ? Deno.args.map((number) => CONVOLUTIONS[Number(number) - 1])
  : CONVOLUTIONS;
const { adapter } = await init({ device: "webgpu" });
console.log(`Deno ${Deno.version.deno}, ${adapter}`);

for (const convolution of chosen) {
  const candidates = [
    float32(convolution),
    int8(convolution),
    await tensorflow(convolution),
    await jaxJs(convolution),
  ];
  const timings = await measure(candidates, {
    budgetMs: 10_000,
    failed: (name, error) => console.warn(`${name}: ${error}`),
  });
  const [height, width] = convolution.size;
  console.log(`\n${convolution.name} over ${height} × ${width}`);
  const [ours, bytes] = timings;
  console.table(
    Object.fromEntries(timings.map(({ name, median, low, high, processor, rounds }) => [name, {
      "of float32": (processor / ours.processor).toFixed(2),
      "of int8": (processor / bytes.processor).toFixed(2),
      "ms of processors": processor.toFixed(2),
      "ms, median": median.toFixed(2),
      "quartiles": `${low.toFixed(2)} to ${high.toFixed(2)}`,
      "rounds": rounds,
      "10⁹ operations a second": (operations(convolution) / median / 1e6).toFixed(1),
    }])),
  );
  for (const { dispose } of candidates) await dispose?.();
}
Deno.exit(0);
