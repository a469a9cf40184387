/** Channels of zeros for integer kernels that compute 16 at a time. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  compareOnnx,
  importOnnx,
  init,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
  readTensor,
  tensor,
} from "../../../mod.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { optimized } from "../model.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

const same = { pads: { ints: [1, 1, 1, 1] } };

/** A block as MobileNetV3's: 22 channels between its convolutions, and a sum around it. */
function block(outputs: readonly string[] = ["y"]): OnnxModel {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "stem"], ["s"]),
      node("Conv", ["s", "expand", "bias"], ["e"]),
      node("HardSwish", ["e"], ["a"]),
      node("Conv", ["a", "depthwise"], ["d"], { ...same, group: { i: 22 } }),
      node("HardSwish", ["d"], ["b"]),
      node("GlobalAveragePool", ["b"], ["g"]),
      node("Conv", ["g", "squeeze"], ["q"]),
      node("Relu", ["q"], ["r"]),
      node("Conv", ["r", "excite"], ["t"]),
      node("HardSigmoid", ["t"], ["h"]),
      node("Mul", ["b", "h"], ["m"]),
      node("Conv", ["m", "project"], ["p"]),
      node("Add", ["p", "s"], ["u"]),
      node("Conv", ["u", "last"], ["y"]),
    ],
    constants: [
      ...[weight("stem", 12, 4, 1, 1), weight("expand", 22, 12, 1, 1), weight("bias", 22)],
      ...[weight("depthwise", 22, 1, 3, 3), weight("squeeze", 6, 22, 1, 1)],
      ...[weight("excite", 22, 6, 1, 1), weight("project", 12, 22, 1, 1)],
      weight("last", 16, 12, 1, 1),
    ],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs,
  });
}

const x = noise(1, 4, 8, 8);

async function run(model: OnnxModel): Promise<Record<string, ArrayLike<unknown>>> {
  await using runtime = await OnnxRuntime.open("test", model);
  const outputs = Object.entries(await runtime.run({ x }));
  return Object.fromEntries(outputs.map(([name, { data }]) => [name, data]));
}

async function quantized(float: OnnxModel, options: QuantizeStaticOptions) {
  const { model, warnings } = await quantizeStatic(float, [{ x }], options);
  assertEquals(warnings, []);
  return model;
}

/** The sizes of all weights of convolutions. */
function weights({ graph }: OnnxModel): (readonly number[])[] {
  return graph.initializer.filter(({ dims }) => dims.length === 4)
    .map((each) => readTensor(each).dims).filter((dims) => dims.reduce((a, b) => a * b) > 1);
}

for (const perChannel of [true, false]) {
  Deno.test(`channels are filled up, and no number changes: perChannel ${perChannel}`, async () => {
    const float = block();
    const plain = await quantized(float, { perChannel, fillChannels: false });
    const filled = await quantized(float, { perChannel });
    assertEquals(weights(plain).map(([made]) => made), [12, 22, 22, 6, 22, 12, 16]);
    assertEquals(weights(filled), [
      ...[[12, 4, 1, 1], [32, 12, 1, 1], [32, 1, 3, 3], [6, 32, 1, 1], [32, 6, 1, 1]],
      ...[[12, 32, 1, 1], [16, 12, 1, 1]],
    ]);
    assertEquals(await run(filled), await run(plain));
    const [before, after] = [await optimized(plain.toBytes()), await optimized(filled.toBytes())];
    assertEquals(after, before);
    assertEquals(before.filter((kernel) => kernel === "QLinearConv").length, 7);
  });
}

Deno.test("what is filled up is compared tensor by tensor, and read by importOnnx", async () => {
  const float = block();
  const model = await quantized(float, {});
  const { tensors } = await compareOnnx(float, model, [{ x }], { tensors: true });
  assertGreater(tensors.length, 8);
  for (const { name, sqnr } of tensors) assertGreater(sqnr, 15, name);
  const module = await importOnnx(model);
  using y = module.forward(tensor(x.data as Float32Array, { shape: x.dims }));
  const [expected] = Object.values(await run(model));
  assertEquals(Array.from(await y.data()), Array.from(expected as Float32Array));
});

Deno.test("channels that somebody sees, or that the file is to be small for, stay as many as they are", async () => {
  const seen = await quantized(block(["y", "m"]), {});
  assert(weights(seen).some(([made, read]) => made === 22 && read === 1));
  const small = await quantized(block(), { optimize: "size" });
  assertEquals(weights(small).map(([made]) => made), [12, 22, 22, 6, 22, 12, 16]);
  const elsewhere = await quantized(block(), { target: "qnn" });
  assertEquals(weights(elsewhere).map(([made]) => made), [12, 22, 22, 6, 22, 12, 16]);
});
