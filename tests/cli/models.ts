/** Model files to run commands on. */
import { exportOnnx, Linear, manualSeed, Module, randn, type Tensor, uint8 } from "../../mod.ts";
import { mlp } from "../onnx/models.ts";
import { quantized } from "../quantization/flow.ts";

/** A classifier, `input: [batch, 40]` to `output: [batch, 10]`, as a file's bytes. */
export async function classifier(): Promise<Uint8Array> {
  manualSeed(0);
  return await exportOnnx(mlp(), randn([1, 40]));
}

/** The same, quantized by this library's layers. */
export async function quantizedClassifier(): Promise<Uint8Array> {
  manualSeed(0);
  const model = await quantized(mlp(), uint8, [randn([64, 40])]);
  return await exportOnnx(model, randn([1, 40]));
}

/** A model of images, `input: [batch, 3, 4, 4]`, as a file's bytes. */
export async function imageClassifier(): Promise<Uint8Array> {
  manualSeed(0);
  return await exportOnnx(new OfImages(), randn([1, 3, 4, 4]));
}

/** One layer over all pixels. */
class OfImages extends Module {
  fc = new Linear(48, 10);
  override forward(x: Tensor): Tensor {
    return this.fc.forward(x.reshape(x.shape[0], 48));
  }
}
