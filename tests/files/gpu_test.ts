import { assertStringIncludes } from "@std/assert";
import { adviceFor } from "../../lib/files/gpu.ts";

Deno.test("what to do without an adapter is said for each host", () => {
  assertStringIncludes(adviceFor("deno", true), "install its Vulkan driver");
  assertStringIncludes(adviceFor("node", false), "npm install webgpu");
  assertStringIncludes(adviceFor("node", true), "install its Vulkan driver");
  assertStringIncludes(adviceFor("browser", false), "This browser has no WebGPU");
  assertStringIncludes(adviceFor("browser", true), "has no adapter for it");
});
