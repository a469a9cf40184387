/**
 * What a page is told where it lacks something, and names that outlive a minifier. `scripts/browser_tests.ts` runs
 * these in Chromium, minified; those that end in `[no webgpu]` where it has none.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as all from "../../mod.ts";
import {
  compile,
  exportOnnx,
  getDefaultDevice,
  init,
  Linear,
  loadOnnx,
  OnnxRuntime,
  randn,
  readSamples,
  ReLU,
  saveOnnx,
  Sequential,
} from "../../mod.ts";

function model(): Sequential {
  return new Sequential({ fc: new Linear(4, 2), relu: new ReLU() });
}

Deno.test("names are those of the source, whatever a minifier made of it", () => {
  const changed: string[] = [];
  for (const [name, value] of Object.entries(all)) {
    const isClass = typeof value === "function" && /^class\b/.test(String(value));
    if (!isClass || value.prototype instanceof Error) continue;
    if (value.name !== name) changed.push(`${name} is called ${value.name}`);
  }
  assertEquals(changed, []);
  assertEquals(
    String(model()),
    "Sequential(\n  (fc): Linear(in_features=4, out_features=2, bias=True)\n  (relu): ReLU()\n)",
  );
});

Deno.test("a page that gives a path is told to give bytes", async () => {
  const sentence = "a browser has no files: give the bytes";
  await assertRejects(() => loadOnnx("model.onnx"), Error, sentence);
  const onnx = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
  await assertRejects(() => saveOnnx(onnx, "model.onnx"), Error, sentence);
  const inputs = [{ name: "x", dtype: "float32", dims: [1, 4] }];
  await assertRejects(
    async () => {
      for await (const _ of readSamples("samples", inputs));
    },
    Error,
    sentence,
  );
});

Deno.test("a page without onnxruntime-web is told to add it", async () => {
  const onnx = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
  const error = await assertRejects(() => OnnxRuntime.open("page", onnx), Error);
  assertStringIncludes(error.message, "onnxruntime-web/wasm could not be loaded");
  assertStringIncludes(error.message, "npm install onnxruntime-web");
});

Deno.test("measured tiles are kept in memory where there are no files", async () => {
  await init({ device: "webgpu" });
  const compiled = compile(model(), { mode: "max-autotune" });
  using y = await compiled.forward(randn([3, 4]));
  assertEquals([...y.shape], [3, 2]);
});

Deno.test("a browser without WebGPU says so and goes on [no webgpu]", async () => {
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => void warnings.push(text);
  try {
    const { device } = await init();
    assertEquals([device, getDefaultDevice()], ["cpu", "cpu"]);
  } finally {
    console.warn = warn;
  }
  assertEquals(warnings.length, 1);
  assert(/^init: no WebGPU adapter found\. This browser /.test(warnings[0]), warnings[0]);
  assertStringIncludes(warnings[0], "everything runs on the CPU backend");
  await assertRejects(() => init({ device: "webgpu" }), Error, "This browser");
  using y = model().forward(randn([3, 4]));
  assertEquals([...y.shape], [3, 2]);
});
