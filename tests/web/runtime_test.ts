import { assert, assertEquals } from "@std/assert";
import { init, OnnxRuntime, quantizeStatic } from "../../mod.ts";
import { type PageFeed, RuntimePage, type WebRuntime } from "../../scripts/web/runtime_page.ts";
import { floats, node, noise, smallModel } from "../onnx/small_models.ts";

await init({ device: "cpu" });

const DIMS = [1, 3, 14, 14];

/** What a convolution does by default, which JSEP wants to be told. */
const DEFAULTS = { dilations: { ints: [1, 1] }, strides: { ints: [1, 1] } };
const NO_PADS = { pads: { ints: [0, 0, 0, 0] } };

/**
 * Convolutions over pictures whose width is no multiple of 4, and a sum.
 *
 * @param told whether they say what they do by default.
 */
function float(told: boolean) {
  const [plain, bare] = told ? [DEFAULTS, { ...DEFAULTS, ...NO_PADS }] : [{}, {}];
  const weight = (name: string, ...dims: number[]) =>
    floats(name, dims, Array.from(noise(...dims).data as Float32Array, (x) => x / 12));
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["c1"], { ...bare, strides: { ints: [2, 2] } }),
      node("Relu", ["c1"], ["r1"]),
      node("Conv", ["r1", "w2", "b2"], ["c2"], { ...plain, pads: { ints: [1, 1, 1, 1] } }),
      node("Add", ["c2", "r1"], ["s"]),
      node("Conv", ["s", "w3", "b3"], ["y"], bare),
    ],
    constants: [
      ...[1, 2, 3].map((i) => weight(`b${i}`, 64)),
      weight("w1", 64, 3, 2, 2),
      weight("w2", 64, 64, 3, 3),
      weight("w3", 64, 64, 3, 3),
    ],
    inputs: { x: ["float32", ...DIMS] },
    outputs: ["y"],
  });
}

function sqnr(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [signal, noise] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    [signal, noise] = [signal + x[i] ** 2, noise + (x[i] - y[i]) ** 2];
  }
  return 10 * Math.log10(signal / noise);
}

const RUNTIMES: Readonly<Record<string, WebRuntime>> = {
  "WebAssembly": { entry: "ort.wasm.min.mjs", provider: "wasm" },
  "JSEP": { entry: "ort.min.mjs", provider: "webgpu" },
  "WebGPU": { entry: "ort.webgpu.min.mjs", provider: "webgpu" },
};

Deno.test({
  name: "target web: Chromium computes what onnxruntime-node does, in WebAssembly and on WebGPU",
  // Playwright keeps its driver for as long as the program lives.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const data = noise(...DIMS).data as Float32Array;
    const x = { data, dims: DIMS };
    const { model, nodes } = await quantizeStatic(float(false), [{ x }], { target: "web" });
    assert(nodes.filter(({ quantized }) => quantized).length >= 3);
    await using runtime = await OnnxRuntime.open("test", model);
    const expected = (await runtime.run({ x })).y.data as Float32Array;
    await using page = await RuntimePage.launch("1.30.0");
    const feeds = { x: { type: "float32", data: [...data], dims: DIMS } satisfies PageFeed };
    for (const [name, where] of Object.entries(RUNTIMES)) {
      const [{ output, problem }] = await page.run(where, [model.toBytes()], feeds);
      assertEquals(problem, undefined, name);
      const db = sqnr(expected, output);
      // A sum that is rounded the other way is a step off; what is wrong is below 10 dB.
      assert(db > 35, `${name}: ${db} dB`);
    }
    // And what the test would find: the same file for another target, on JSEP.
    const { model: other } = await quantizeStatic(float(true), [{ x }]);
    const [{ output, problem }] = await page.run(RUNTIMES.JSEP, [other.toBytes()], feeds);
    assertEquals(problem, undefined);
    assert(sqnr(expected, output) < 10, "JSEP is right now: the target may take ONNX's operators");
  },
});
