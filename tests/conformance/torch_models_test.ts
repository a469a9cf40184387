/** Whole models beside PyTorch's: their state dicts, as PyTorch saves them, and what they give. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AdaptiveAvgPool2d,
  add,
  BatchNorm2d,
  bfloat16,
  cat,
  compile,
  Conv2d,
  type Device,
  Embedding,
  expand,
  Flatten,
  float16,
  LayerNorm,
  Linear,
  loadSafetensors,
  LogSoftmax,
  LSTM,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  slice,
  StateError,
  type Tensor,
  tidy,
  TransformerEncoder,
  TransformerEncoderLayer,
  transpose,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

class Block extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  relu = new ReLU();
  conv2: Conv2d;
  bn2: BatchNorm2d;
  downsample: Sequential | null;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(to);
    this.conv2 = new Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(to);
    this.downsample = stride > 1 || from !== to
      ? new Sequential(new Conv2d(from, to, 1, { stride, bias: false }), new BatchNorm2d(to))
      : null;
  }

  override forward(x: Tensor): Tensor {
    return tidy(() => {
      const inner = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
      const y = this.bn2.forward(this.conv2.forward(inner));
      return this.relu.forward(add(y, this.downsample ? this.downsample.forward(x) : x));
    });
  }
}

class ResNet extends Module {
  conv1 = new Conv2d(3, 8, 7, { stride: 2, padding: 3, bias: false });
  bn1 = new BatchNorm2d(8);
  relu = new ReLU();
  maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  layer1 = new Sequential([new Block(8, 8, 1)]);
  layer2 = new Sequential([new Block(8, 16, 2), new Block(16, 16, 1)]);
  avgpool = new AdaptiveAvgPool2d([1, 1]);
  flatten = new Flatten();
  fc = new Linear(16, 10);

  override forward(x: Tensor): Tensor {
    const { conv1, bn1, relu, maxpool, layer1, layer2, avgpool, flatten, fc } = this;
    return new Sequential([conv1, bn1, relu, maxpool, layer1, layer2, avgpool, flatten, fc])
      .forward(x);
  }
}

class ViT extends Module {
  cls_token = zeros([1, 1, 16]).keep();
  pos_embed = zeros([1, 17, 16]).keep();
  patch_embed = new Conv2d(3, 16, 4, { stride: 4 });
  encoder = new TransformerEncoder(
    new TransformerEncoderLayer(16, 4, {
      dimFeedforward: 32,
      activation: "gelu",
      batchFirst: true,
      normFirst: true,
    }),
    2,
    { norm: new LayerNorm(16) },
  );
  head = new Linear(16, 10);

  override forward(x: Tensor): Tensor {
    return tidy(() => {
      const [n] = x.shape;
      const patches = transpose(this.patch_embed.forward(x).reshape(n, 16, -1), 1, 2);
      const tokens = cat([expand(this.cls_token, [n, 1, 16]), patches], 1);
      const y = this.encoder.forward(add(tokens, this.pos_embed));
      return this.head.forward(slice(y, 1, 0, 1).reshape(n, 16));
    });
  }
}

class Tagger extends Module {
  embedding = new Embedding(20, 8, { paddingIdx: 0 });
  lstm = new LSTM(8, 12, { numLayers: 2, batchFirst: true, bidirectional: true });
  fc = new Linear(24, 5);
  softmax = new LogSoftmax(-1);

  override forward(ids: Tensor): Tensor {
    const { embedding, lstm, fc, softmax } = this;
    return tidy(() => softmax.forward(fc.forward(lstm.forward(embedding.forward(ids)))));
  }
}

const MODELS = { resnet: ResNet, vit: ViT, tagger: Tagger };

const bytes = (name: string) =>
  Deno.readFileSync(new URL(`../testdata/torch-model-${name}.safetensors`, import.meta.url));

/** How far a tensor is from another, as a share of its length. */
async function distance(actual: Tensor, expected: Tensor): Promise<number> {
  assertEquals(actual.shape, expected.shape);
  const [a, e] = [await actual.data(), await expected.data()];
  return Math.hypot(...a.map((v, i) => v - e[i])) / Math.hypot(...e);
}

function load(name: keyof typeof MODELS, device: Device): { model: Module; x: Tensor; y: Tensor } {
  const model = new MODELS[name]();
  model.loadStateDict(loadSafetensors(bytes(name), { device }));
  const { in: x, out: y } = loadSafetensors(bytes(`${name}-run`), { device });
  return { model, x, y };
}

for (const name of Object.keys(MODELS) as (keyof typeof MODELS)[]) {
  eachBackend(
    `a ${name} written here takes PyTorch's state dict and gives its answers`,
    async (device) => {
      const { model, x, y } = load(name, device);
      assert(await distance(model.forward(x), y) < 1e-5);
      for (const [dtype, share] of [[float16, 0.005], [bfloat16, 0.04]] as const) {
        const narrow = load(name, device).model.to(dtype);
        assert(await distance(narrow.forward(x.dtype.isFloat ? x.to(dtype) : x), y) < share);
      }
    },
  );

  Deno.test(`a compiled ${name} gives the bits that it gives uncompiled`, async () => {
    const { model, x } = load(name, "webgpu");
    const expected = await model.forward(x).data();
    const compiled = compile(model);
    for (let i = 0; i < 3; i++) {
      using y = compiled.forward(x);
      assertEquals(await y.data(), expected);
    }
  });
}

eachBackend("a state dict of another model is refused whole", (device) => {
  const state = loadSafetensors(bytes("resnet"), { device });
  const { "bn1.running_mean": mean, ...rest } = state;
  assertThrows(() => new ResNet().loadStateDict(rest), StateError, "missing: bn1.running_mean");
  assertThrows(
    () => new ResNet().loadStateDict({ ...rest, "bn1.running_mean": mean, extra: mean }),
    StateError,
    "unknown: extra",
  );
  const counted = Object.keys(state).filter((key) => !key.endsWith("num_batches_tracked"));
  assert(counted.length < Object.keys(state).length);
  new ResNet().loadStateDict(Object.fromEntries(counted.map((key) => [key, state[key]])));
});
