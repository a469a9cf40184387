/** Runs before any device is open: each test file is a world of its own. */
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { gpuAdvice } from "../../lib/files/gpu.ts";
import { backendFor, getDefaultDevice, init, tensor } from "../../mod.ts";
import { withWarnings } from "../oracles.ts";

/** Runs `fn` on a machine that offers no adapter. */
async function withoutAdapter<T>(fn: () => Promise<T>): Promise<T> {
  const { gpu } = navigator;
  const original = gpu.requestAdapter;
  gpu.requestAdapter = () => Promise.resolve(null);
  try {
    return await fn();
  } finally {
    gpu.requestAdapter = original;
  }
}

/** What to do, on this host: in Deno the line that installs a driver. */
const INSTALL = await gpuAdvice();

Deno.test("before init everything is on the CPU, and WebGPU says what to call", async () => {
  assertEquals(getDefaultDevice(), "cpu");
  assertEquals([...await tensor([1, 2]).data()], [1, 2]);
  assertThrows(
    () => backendFor("webgpu"),
    Error,
    'The device "webgpu" is not open: call `await init()`',
  );
});

Deno.test("asked for WebGPU by name where there is none, init throws the install line", async () => {
  await withoutAdapter(() => assertRejects(() => init({ device: "webgpu" }), Error, INSTALL));
  assertEquals(getDefaultDevice(), "cpu");
});

Deno.test("not asked by name, init warns with the install line and takes the CPU", async () => {
  const { result, warnings } = await withWarnings(() => withoutAdapter(() => init()));
  assertEquals(result.device, "cpu");
  assertEquals(result.software, true);
  assertEquals(result.recommendedBackend, "onnxruntime");
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], INSTALL);
  assertStringIncludes(warnings[0], "CPU");
});

Deno.test("asked for the CPU, init asks no adapter and does not warn", async () => {
  const { result, warnings } = await withWarnings(() => init({ device: "cpu" }));
  assertEquals(result.device, "cpu");
  assertEquals(warnings, []);
});

Deno.test("calls of init at the same time open one device", async () => {
  const { gpu } = navigator;
  const original = gpu.requestAdapter;
  let asked = 0;
  gpu.requestAdapter = (options) => (asked++, original.call(gpu, options));
  try {
    const infos = await Promise.all([init(), init({ device: "webgpu" })]);
    assertEquals(infos.map(({ device }) => device), ["webgpu", "webgpu"]);
  } finally {
    gpu.requestAdapter = original;
  }
  assertEquals(asked, 1);
});

Deno.test("init keeps the open device and switches the default", async () => {
  const { adapter, software, recommendedBackend } = await init();
  assertEquals(recommendedBackend, software ? "onnxruntime" : "webgpu");
  const open = backendFor("webgpu");
  assertStrictEquals(backendFor(), open);
  assertEquals(adapter, open.description);
  await init({ device: "cpu" });
  assertEquals(getDefaultDevice(), "cpu");
  assertStrictEquals(backendFor("webgpu"), open);
  await init();
  assertStrictEquals(backendFor(), open);
});
