/** Whole models beside PyTorch's: their state dicts, as PyTorch saves them, and what they give. */
import { assert, assertEquals } from "@std/assert";
import {
  add,
  bfloat16,
  cat,
  compile,
  Conv2d,
  type Device,
  Embedding,
  expand,
  float16,
  LayerNorm,
  Linear,
  loadSafetensors,
  LogSoftmax,
  LSTM,
  Module,
  slice,
  type Tensor,
  tidy,
  TransformerEncoder,
  TransformerEncoderLayer,
  transpose,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

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

const MODELS = { vit: ViT, tagger: Tagger };

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
