/**
 * Finding a WebGPU adapter and opening a device with all that it offers.
 *
 * @module
 */

import { setIfUnset } from "../../files/environment.ts";
import { findGpu } from "../../files/gpu.ts";
import { platform } from "../../files/host.ts";
import type { Dialect } from "./kernels/shader.ts";

/** What was found: a device and how to speak of it. */
export interface OpenedDevice {
  readonly device: GPUDevice;
  /** The adapter's name. */
  readonly description: string;
  /** Whether the adapter is a software one. */
  readonly software: boolean;
  /** The number of lanes of every subgroup, or 1 if it is not known or subgroups cannot be used. */
  readonly subgroupSize: number;
  /** What its shaders' text must be like. */
  readonly dialect: Dialect;
}

const RAISED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupsPerDimension",
] as const;
/** What no browser has more of, so that a kernel that needs it fails everywhere. */
const MOST: Partial<Record<typeof RAISED_LIMITS[number], number>> = {
  maxStorageBuffersPerShaderStage: 10,
};
/** Which Deno's types do not know. */
const SUBGROUPS = "subgroups" as GPUFeatureName;
const WANTED_FEATURES: GPUFeatureName[] = ["timestamp-query", "shader-f16"];

/** Opens the best adapter, or gives `undefined` where there is none. */
export async function openDevice(): Promise<OpenedDevice | undefined> {
  quietRuntimeDir();
  const gpu = await findGpu();
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return undefined;
  const requiredLimits = Object.fromEntries(
    RAISED_LIMITS.map((name) => [name, Math.min(adapter.limits[name], MOST[name] ?? Infinity)]),
  );
  const requiredFeatures = WANTED_FEATURES.filter((name) => adapter.features.has(name));
  // Deno takes "subgroups" where the adapter has them, but does not list it.
  const subgroups = [...requiredFeatures, SUBGROUPS];
  const withSubgroups = await adapter
    .requestDevice({ requiredLimits, requiredFeatures: subgroups })
    .catch(() => undefined);
  const device = withSubgroups ?? await adapter.requestDevice({ requiredLimits, requiredFeatures });
  const { isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const { description, vendor, architecture } = adapter.info;
  // Browsers describe nothing, so that nobody is known by it.
  const name = description || [vendor, architecture].filter(Boolean).join(" ");
  const fixed = withSubgroups && subgroupMinSize === subgroupMaxSize;
  return {
    device,
    subgroupSize: fixed ? subgroupMinSize : 1,
    // Who lists the feature also wants it enabled in the text.
    dialect: { enableSubgroups: adapter.features.has(SUBGROUPS) },
    description: name || "unknown adapter",
    software: isFallbackAdapter || /llvmpipe|swiftshader|lavapipe/i.test(name),
  };
}

/** wgpu prints an error about XDG_RUNTIME_DIR where it is unset, though it needs no window. */
function quietRuntimeDir(): void {
  if (platform() === "linux") setIfUnset("XDG_RUNTIME_DIR", "/tmp");
}
