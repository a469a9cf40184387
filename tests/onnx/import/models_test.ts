/** Whole models beside onnxruntime: real ones, and small ones as PyTorch's two exporters write them. */
import { assertEquals } from "@std/assert";
import {
  Conv2d,
  float16,
  importOnnx,
  Linear,
  loadOnnx,
  type OnnxModel,
  tensor,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { messages } from "../files.ts";
import { classification, detection, image, recognition } from "../ocr_models.ts";
import { assertSame, feed, noise } from "./against_onnxruntime.ts";

const nets = new URL("../../testdata/nets/", import.meta.url);

/** What each net is fed with. */
const INPUTS = {
  resnet: noise([2, 3, 32, 32]),
  mobilenet: noise([2, 3, 32, 32]),
  vit: noise([2, 3, 32, 32]),
  convnext: noise([2, 3, 32, 32]),
  unet: noise([2, 1, 16, 16]),
  yolo: noise([2, 3, 32, 32]),
  gru: noise([2, 7, 6]),
  lstm: feed("int64", [2, 7], Array.from({ length: 14 }, (_, i) => i * 7 % 20)),
};

for (const [name, x] of Object.entries(INPUTS)) {
  for (const opset of [name === "vit" ? 14 : 13, 20]) {
    eachBackend(`${name} as PyTorch writes it with operator set ${opset}`, async (device) => {
      const model = await loadOnnx(new URL(`${name}_${opset}.onnx`, nets));
      await assertSame(model, { x }, device, 2e-6);
    });
  }
}

eachBackend("text recognition as in onnxruntime", async (device) => {
  const width = device === "cpu" ? 16 : 160;
  const model = await loadOnnx(recognition);
  const module = await assertSame(model, { x: image([1, 3, 48, width]) }, device, 1e-5);
  const layers = module.namedModules().map(([, layer]) => layer);
  // Every convolution and every product with a constant matrix can be observed and quantized.
  assertEquals(layers.filter((layer) => layer instanceof Conv2d).length, 38);
  assertEquals(layers.filter((layer) => layer instanceof Linear).length, 9);
});

eachBackend("recognizing the direction of text as in onnxruntime", async (device) => {
  await assertSame(await loadOnnx(classification), { x: image([1, 3, 48, 96]) }, device, 1e-5);
});

/** The model with the input of its last node as an output too: what sigmoid brings near to 0 differs there. */
function withLogits(model: OnnxModel): OnnxModel {
  const { graph } = model;
  const last = graph.node.find(({ output }) => output.includes(graph.output[0].name))!;
  graph.output.push(messages.valueInfo(last.input[0], "float32"));
  return model;
}

eachBackend("text detection as in onnxruntime", async (device) => {
  const size = device === "cpu" ? 32 : 128;
  const model = withLogits(await loadOnnx(detection));
  await assertSame(model, { x: image([1, 3, size, size]) }, device, 1e-5);
});

eachBackend("float16 for floats gives about the same", async (device) => {
  const path = new URL("resnet_20.onnx", nets);
  const half = await importOnnx(path, { device, dtype: float16 });
  const whole = await importOnnx(path, { device });
  const x = tensor(INPUTS.resnet.data as Float32Array, { shape: [2, 3, 32, 32] });
  const [a, b] = [half.forward(x.to(float16)), whole.forward(x)];
  assertEquals(a.dtype, float16);
  const [got, wanted] = [await a.data(), await b.data()];
  const off = Math.max(...wanted.map((value, i) => Math.abs(value - got[i])));
  assertEquals(off > 0 && off < 5e-3, true, `off by ${off}`);
});
