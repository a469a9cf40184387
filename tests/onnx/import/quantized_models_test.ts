/** Files that quantizeStatic wrote, in integers here and in onnxruntime: each integer node gives the same bytes. */
import { assert } from "@std/assert";
import { importOnnx, type OnnxModel, quantizeStatic } from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { messages } from "../files.ts";
import { assertSameBytes, type Feeds, noise, runFile, runModule } from "./against_onnxruntime.ts";

const nets = new URL("../../testdata/nets/", import.meta.url);

/** Makes every value that is quantized an output of the model; gives their names. */
function exposeBytes({ graph }: OnnxModel): string[] {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  return graph.node.filter(({ opType }) => opType === "QuantizeLinear").map(({ input, output }) => {
    const type = constants.get(input[2])?.dataType === 3 ? "int8" : "uint8";
    graph.output.push(messages.valueInfo(output[0], type));
    return output[0];
  });
}

for (const name of ["resnet_13", "mobilenet_20", "vit_20", "convnext_20", "unet_13", "yolo_20"]) {
  eachBackend(`${name}, quantized, gives the bytes of onnxruntime`, async (device) => {
    const dims = name.startsWith("unet") ? [1, 1, 16, 16] : [1, 3, 32, 32];
    const samples = [1, 2, 3].map((seed) => ({ x: noise(dims, seed) }));
    const { model } = await quantizeStatic(new URL(`${name}.onnx`, nets), samples);
    const names = exposeBytes(model);
    assert(names.length > 5);
    const feeds = { x: noise(dims, 4) };
    const expected = await runFile(model.toBytes(), feeds);
    const module = await importOnnx(model, { device });
    const actual = runModule(module, feeds, device);
    const bytes = Object.fromEntries(names.map((each) => [each, expected[each]])) as Feeds;
    await assertSameBytes(actual, bytes);
  });
}
