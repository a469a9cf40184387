/**
 * Which backends are open, and which one new tensors go to.
 *
 * @module
 */
import { environmentVariable } from "../files/environment.ts";
import { gpuAdvice } from "../files/gpu.ts";
import { checkChoice } from "../numbers/arguments.ts";
import type { Backend, Device } from "./backend.ts";
import { dtypes } from "../numbers/dtype.ts";
import { CpuBackend } from "./cpu/backend.ts";
import { openDevice } from "./webgpu/adapter.ts";
import { WebGpuBackend } from "./webgpu/backend.ts";

const backends = new Map<Device, Backend>([["cpu", new CpuBackend()]]);
let defaultDevice: Device = "cpu";

/** What {@linkcode init} found. */
export interface InitInfo {
  /** The device that new tensors go to. */
  readonly device: Device;
  /** The adapter's name, for people. */
  readonly adapter: string;
  /** Whether the arithmetic runs on the CPU, by a software adapter or without WebGPU. */
  readonly software: boolean;
  /**
   * What `compile` should run a quantized model on: `"onnxruntime"`, whose integer kernels are an order of
   * magnitude faster than a software adapter's, or `"webgpu"` where there is a GPU.
   */
  readonly recommendedBackend: "webgpu" | "onnxruntime";
}

/** Options of {@linkcode init}. */
export interface InitOptions {
  /** Where new tensors go: `"webgpu"` if there is an adapter, unless this says `"cpu"`. */
  device?: Device;
  /**
   * `"wgsl"` prints each kernel, with its key, on the error output when it is compiled. The same is asked
   * for by `STATICQUANT_DEBUG=wgsl` in the environment, if the program may read that without asking.
   */
  debug?: "wgsl";
}

/**
 * Finds the WebGPU adapter and makes it the device that new tensors go to. Where there is none, it
 * says what is missing and leaves the CPU in its place; asked for `"webgpu"` by name, it throws
 * instead. After a lost device, calling it again opens a new one.
 *
 * @throws {Error} if `{ device: "webgpu" }` is asked for and no adapter is found.
 * @throws {TypeError} if `debug` is none that is known.
 *
 * @example
 * ```ts
 * import { init } from "@staticquant/staticquant";
 * const { device, adapter, recommendedBackend } = await init();
 * console.log(`${adapter} (${device}); compile(model, { backend: "${recommendedBackend}" })`);
 * ```
 */
export async function init(options: InitOptions = {}): Promise<InitInfo> {
  const { debug } = options;
  if (debug !== undefined) checkChoice("init", "debug", debug, ["wgsl"]);
  if (options.device !== "cpu") {
    const backend = await webgpuBackend();
    if (backend) {
      backend.runtime.printsKernels = (debug ?? debugVariable()) === "wgsl";
      backends.set("webgpu", backend);
      defaultDevice = "webgpu";
      return info("webgpu", backend.description, backend.software);
    }
    const message = `init: no WebGPU adapter found. ${await gpuAdvice()}`;
    if (options.device === "webgpu") throw new Error(message);
    console.warn(`${message}\nUntil then everything runs on the CPU backend, which is slow.`);
  }
  defaultDevice = "cpu";
  const { description } = backends.get("cpu")!;
  return info("cpu", description, true);
}

/** What the environment says, where it may be read. */
function debugVariable(): string | undefined {
  return environmentVariable("STATICQUANT_DEBUG");
}

function info(device: Device, adapter: string, software: boolean): InitInfo {
  return { device, adapter, software, recommendedBackend: software ? "onnxruntime" : "webgpu" };
}

let opening: Promise<WebGpuBackend | undefined> | undefined;

/** The backend that is open, or a new one if there is none or its device was lost. */
function webgpuBackend(): Promise<WebGpuBackend | undefined> {
  const open = backends.get("webgpu") as WebGpuBackend | undefined;
  if (open?.runtime.usable) return Promise.resolve(open);
  return opening ??= openDevice()
    .then((found) => found && new WebGpuBackend(found))
    .finally(() => opening = undefined);
}

/** The backend of a device; of the default one if none is named. */
export function backendFor(device: Device = defaultDevice): Backend {
  const backend = backends.get(device);
  if (!backend) {
    throw new Error(
      device === "webgpu"
        ? `The device "webgpu" is not open: call \`await init()\` first`
        : `Unknown device "${device}": use "cpu" or "webgpu"`,
    );
  }
  return backend;
}

/** The device of that name; what is none, such as a dtype's name, is refused. */
export function checkDevice(where: string, name: string): Device {
  if (name === "cpu" || name === "webgpu") return name;
  throw new TypeError(
    `${where}: unknown device ${JSON.stringify(name)}: use "cpu" or "webgpu"` +
      (Object.hasOwn(dtypes, name) ? `, or the dtype ${name} itself, without quotes` : ""),
  );
}

/** The device that new tensors go to. */
export function getDefaultDevice(): Device {
  return defaultDevice;
}
