/** A U-Net in integers as a file: onnxruntime reads it, and so does importOnnx, in integers. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  compile,
  computeError,
  ConvTranspose2d,
  type Device,
  exportOnnx,
  importOnnx,
  loadOnnx,
  manualSeed,
  PerTensor,
  randn,
  Sequential,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { UNet } from "../../quantization/layers/unet.ts";
import { checkBytes, classes, exposeBytes, quantized } from "./quantized_files.ts";

eachBackend("a U-Net in integers has the same bytes in a file", async (device: Device) => {
  manualSeed(19);
  const model = await new UNet().to(device);
  using x = randn([2, 1, 12, 12], { device });
  await quantized(model, x);
  const file = await loadOnnx(await exportOnnx(model, x));
  const names = exposeBytes(file);
  const module = await importOnnx(file, { device });
  assertEquals(classes(module).filter((name) => name === "ByteConv").length, 4);
  await checkBytes(module, file, names, [2, 1, 12, 12], device);
  // The numbers are those of the layers themselves but for the biases, which become whole.
  const [wanted, [got]] = [model.forward(x), module.forwardAll(x)];
  assert(await computeError(wanted, got) > 30);
  if (device === "cpu") return;
  using compiled = compile(module);
  assertEquals(await compiled.forward(x).bytes(), await got.bytes());
});

eachBackend("an imported U-Net is quantized whole, and written back", async (device) => {
  const float = new URL("../../testdata/nets/unet_20.onnx", import.meta.url);
  const model = await importOnnx(float, { device });
  using x = randn([1, 1, 16, 16], { device });
  await quantized(model, x);
  const found = classes(model);
  const integers = found.filter((name) => /^Quantized(Conv|Cat)/.test(name));
  assertEquals(integers.filter((name) => name === "QuantizedConvTranspose2d").length, 1);
  assertEquals(found.filter((name) => /^(Conv|Cat)/.test(name)), []);
  const file = await loadOnnx(await exportOnnx(model, x));
  const [again, expected] = [await importOnnx(file, { device }), model.forward(x)];
  assert(await computeError(expected, again.forward(x)) > 30);
  await checkBytes(again, file, exposeBytes(file), [1, 1, 16, 16], device);
});

Deno.test("a file has the same scales for every group, or is refused", async () => {
  manualSeed(20);
  const make = () =>
    new Sequential({ up: new ConvTranspose2d(4, 6, 2, { groups: 2, device: "cpu" }) });
  using x = randn([1, 4, 5, 5], { device: "cpu" });
  const [one, each] = [make(), make()];
  await quantized(one, x, new PerTensor());
  const file = await exportOnnx(one, x);
  const expected = one.forward(x);
  assert(await computeError(expected, (await importOnnx(file, { device: "cpu" })).forward(x)) > 40);
  await quantized(each, x);
  const message = "up is a transposed convolution of 2 groups with a scale for each output channel";
  await assertRejects(() => exportOnnx(each, x), TypeError, message);
});
