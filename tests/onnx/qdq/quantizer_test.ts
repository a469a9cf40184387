import { assert, assertEquals } from "@std/assert";
import { init, OnnxRuntime, quantizeStatic, type QuantizeStaticOptions } from "../../../mod.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { optimized } from "../model.ts";
import { floats, node, type SmallModel, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

const wave = (count: number, seed: number, size = 1) =>
  Array.from({ length: count }, (_, i) => size * Math.sin((i + seed) * 12.9898 + seed * 78.233));

type Samples = Record<string, { data: Float32Array; dims: number[] }>[];

/** Quantizes a model of a few nodes; gives its SQNR in dB and the operators that onnxruntime makes of it. */
async function quantized(
  parts: Omit<SmallModel, "opset" | "outputs">,
  samples: Samples,
  options: QuantizeStaticOptions = {},
) {
  const float = smallModel({ opset: 17, outputs: ["y"], ...parts });
  const { model } = await quantizeStatic(float, samples, options);
  let [signal, noise] = [0, 0];
  const run = async (each: OnnxModel, feeds: Samples[number]) => {
    await using runtime = await OnnxRuntime.open("test", each);
    return (await runtime.run(feeds)).y.data as Float32Array;
  };
  for (const feeds of samples) {
    const [x, y] = [await run(float, feeds), await run(model, feeds)];
    x.forEach((value, i) => {
      signal += value ** 2;
      noise += (value - y[i]) ** 2;
    });
  }
  return { sqnr: 10 * Math.log10(signal / noise), kernels: await optimized(model.toBytes()) };
}

/** Pictures of numbers from 0 to 255. */
const pixels = (...dims: number[]): Samples =>
  [1, 2, 3].map((seed) => {
    const count = dims.reduce((a, b) => a * b, 1);
    return {
      x: { data: Float32Array.from(wave(count, seed), (v) => Math.round(v * 127.5 + 127.5)), dims },
    };
  });

/** A weight of which every second of these channels is empty, along an axis of this stride. */
const sparse = (name: string, dims: number[], stride: number, channels: number) =>
  floats(
    name,
    dims,
    wave(dims.reduce((a, b) => a * b, 1), 5, 0.004)
      .map((value, i) => Math.floor(i / stride) % channels % 2 ? value : 0),
  );

Deno.test("quantizeStatic: channels of zeros keep their bias", async (t) => {
  const bias = (count: number) => floats("b", [count], wave(count, 3, 0.45));
  const picture: SmallModel["inputs"] = { x: ["float32", 1, 4, 6, 6] };
  const flat: SmallModel["inputs"] = { x: ["float32", 4, 48] };
  const last = floats("v", [16, 8], wave(128, 7));
  const kinds: Record<
    string,
    [Omit<SmallModel, "opset" | "outputs">, Samples, QuantizeStaticOptions?]
  > = {
    "Conv": [{
      nodes: [node("Conv", ["x", "w", "b"], ["y"])],
      constants: [sparse("w", [16, 4, 3, 3], 36, 16), bias(16)],
      inputs: picture,
    }, pixels(1, 4, 6, 6)],
    "Conv with one scale": [
      {
        nodes: [
          node("Conv", ["x", "w", "b"], ["c"]),
          node("Conv", ["x", "u"], ["d"]),
          node("Add", ["c", "d"], ["y"]),
        ],
        constants: [
          floats("w", [16, 4, 3, 3], Array(576).fill(0)),
          bias(16),
          floats("u", [16, 4, 3, 3], wave(576, 2, 0.001)),
        ],
        inputs: picture,
      },
      pixels(1, 4, 6, 6),
      { perChannel: false },
    ],
    "depthwise Conv": [{
      nodes: [node("Conv", ["x", "w", "b"], ["y"], { group: { i: 4 } })],
      constants: [sparse("w", [4, 1, 3, 3], 9, 4), bias(4)],
      inputs: picture,
    }, pixels(1, 4, 6, 6)],
    "Gemm": [{
      nodes: [
        node("Gemm", ["x", "w", "b"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "v"], ["y"]),
      ],
      constants: [sparse("w", [48, 16], 1, 16), bias(16), last],
      inputs: flat,
    }, pixels(4, 48)],
    "BatchNormalization with gammas of 0": [{
      nodes: [
        node("Conv", ["x", "w"], ["c"]),
        node("BatchNormalization", ["c", "g", "b", "m", "s"], ["y"]),
      ],
      constants: [
        floats("w", [16, 4, 3, 3], wave(576, 2, 0.004)),
        floats("g", [16], wave(16, 2).map((value, i) => i % 2 ? value : 0)),
        bias(16),
        floats("m", [16], wave(16, 8, 0.1)),
        floats("s", [16], Array(16).fill(1)),
      ],
      inputs: picture,
    }, pixels(1, 4, 6, 6)],
  };
  for (const [name, [parts, samples, options]] of Object.entries(kinds)) {
    await t.step(name, async () => {
      const { sqnr } = await quantized(parts, samples, options);
      assert(sqnr > 34, `${sqnr} dB`);
    });
  }
});

Deno.test("quantizeStatic: a product of matrices stays one of integers before any sum", async () => {
  const constants = [floats("w", [16, 32], wave(512, 2))];
  const x = (seed: number) => ({ data: Float32Array.from(wave(64, seed)), dims: [4, 16] });
  const added: Record<string, number[]> = {
    row: [32],
    rows: [1, 32],
    column: [4, 1],
    matrix: [4, 32],
  };
  for (const [name, dims] of Object.entries(added)) {
    const count = dims.reduce((a, b) => a * b, 1);
    for (const constant of [true, false]) {
      const { kernels, sqnr } = await quantized(
        {
          nodes: [node("MatMul", ["x", "w"], ["h"]), node("Add", ["h", "b"], ["y"])],
          constants: constant ? [...constants, floats("b", dims, wave(count, 9))] : constants,
          inputs: {
            x: ["float32", "n", 16],
            ...(constant ? {} : { b: ["float32", ...dims] as ["float32", ...number[]] }),
          },
        },
        [1, 2].map((seed) => ({
          x: x(seed),
          ...(constant ? {} : { b: { data: Float32Array.from(wave(count, seed)), dims } }),
        })),
      );
      assert(!kernels.includes("Gemm"), `${name}: ${kernels.join()}`);
      assert(
        kernels.some((kernel) => kernel === "QGemm" || kernel === "MatMulIntegerToFloat"),
        name,
      );
      assert(sqnr > 36, `${name}: ${sqnr} dB`);
    }
  }
});

Deno.test("quantizeStatic: a weight that two share with biases of their own is stored once", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Gemm", ["x", "w", "b"], ["h"]),
      node("Gemm", ["z", "w", "c"], ["k"]),
      node("Sub", ["h", "k"], ["y"]),
    ],
    constants: [
      floats("w", [16, 32], wave(512, 2)),
      floats("b", [1, 32], wave(32, 3)),
      floats("c", [32], wave(32, 4, 9)),
    ],
    inputs: { x: ["float32", 4, 16], z: ["float32", 4, 16] },
    outputs: ["y"],
  });
  const feed = (seed: number) => ({ data: Float32Array.from(wave(64, seed)), dims: [4, 16] });
  const { model } = await quantizeStatic(float, [{ x: feed(1), z: feed(2) }]);
  const bytes = model.graph.initializer.filter(({ dims, dataType }) =>
    dims.length === 2 && dataType === 3
  );
  assertEquals(bytes.map(({ dims }) => dims.map(Number)), [[16, 32]]);
});
