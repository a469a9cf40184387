import { apt, aptLine, canApt } from "./apt.ts";
import { deno } from "./run.ts";

const PACKAGE = "mesa-vulkan-drivers";

/** Asks for an adapter in a process of its own: an adapter shows only to one started after it. */
async function hasAdapter(backend?: "vulkan"): Promise<boolean> {
  const code = "Deno.exit((await navigator.gpu?.requestAdapter()) ? 0 : 1)";
  const env: Record<string, string> = backend ? { DENO_WEBGPU_BACKEND: backend } : {};
  const outcome = await deno(["eval", "--no-config", "--no-lock", code], { env, output: "hide" });
  return outcome.ok;
}

/**
 * Sees to it that WebGPU finds an adapter, on Linux by way of Vulkan, installing Mesa's software
 * driver where it may. Where that cannot be, says what to type.
 *
 * @returns whether there is an adapter
 */
export async function ensureVulkanDriver(): Promise<boolean> {
  if (await hasAdapter(Deno.build.os === "linux" ? "vulkan" : undefined)) return true;
  if (await canApt() && await apt(PACKAGE) && await hasAdapter()) return true;
  // OpenGL may do in place of Vulkan.
  if (await hasAdapter()) return true;
  console.error("WebGPU finds no adapter: this machine has no GPU driver.");
  if (Deno.build.os === "linux") {
    console.error(`A software driver does too. To install it, type:\n\n    ${aptLine(PACKAGE)}\n`);
  }
  return false;
}
