import { assertEquals, assertThrows } from "@std/assert";
import { loadOnnx, OnnxRuntime, quantizeStatic, saveOnnx, useOnnxRuntime } from "../../../mod.ts";
import { TestFolder } from "../../data/files.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

/** Runs with WebAssembly, and puts native code back. */
async function withWasm<T>(work: () => Promise<T>): Promise<T> {
  useOnnxRuntime("wasm");
  try {
    return await work();
  } finally {
    useOnnxRuntime("native");
  }
}

function gemm() {
  return smallModel({
    opset: 17,
    nodes: [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])],
    constants: [floats("w", [64, 8], [...noise(64, 8).data as Float32Array])],
    inputs: { x: ["float32", "n", 64] },
    outputs: ["y"],
  });
}

const samples = [1, 2, 3].map((seed) => {
  const data = Float32Array.from({ length: 2 * 64 }, (_, i) => Math.sin(i * seed));
  return { x: { data, dims: [2, 64] } };
});

Deno.test("WebAssembly quantizes as native code does, and asks for no file to be written", async () => {
  const native = await quantizeStatic(gemm(), samples);
  const wasm = await withWasm(async () => await quantizeStatic(gemm(), samples));
  assertEquals(wasm.nodes, native.nodes);
  assertEquals(wasm.warnings, []);
});

Deno.test("WebAssembly is given constants that lie in files", async () => {
  using folder = new TestFolder();
  const path = `${folder.path}/model.onnx`;
  await saveOnnx(gemm(), path, { externalData: true });
  const run = async (inMemory?: number) => {
    await using runtime = await OnnxRuntime.open("test", await loadOnnx(path, { inMemory }));
    return (await runtime.run(samples[0])).y.data;
  };
  const [native, stored] = [await run(), await withWasm(() => run(0))];
  assertEquals(
    [...stored as Float32Array].map((y) => y.toFixed(4)),
    [...native as Float32Array].map((y) => y.toFixed(4)),
  );
});

Deno.test("a build that is none is refused", () => {
  assertThrows(
    () => useOnnxRuntime("webgl" as never),
    TypeError,
    'useOnnxRuntime: the build is "webgl", but must be one of "native", "wasm"',
  );
});
