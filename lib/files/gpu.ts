/**
 * Where WebGPU is: in the navigator, or in Node in the package `webgpu`, which is Dawn.
 *
 * @module
 */
import { HOST, type HostName } from "./host.ts";
import { importPackage } from "./import_package.ts";
import { PACKAGES } from "./packages.ts";

/** What is used of the package. */
interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Record<string, unknown>;
}

let found: Promise<GPU | undefined> | undefined;

/** WebGPU, if there is one. */
export function findGpu(): Promise<GPU | undefined> {
  return found ??= find();
}

async function find(): Promise<GPU | undefined> {
  const { gpu } = (globalThis as { navigator?: { gpu?: GPU } }).navigator ?? {};
  if (gpu || HOST !== "node") return gpu;
  let dawn: Dawn;
  try {
    dawn = await importPackage(PACKAGES.webgpu) as Dawn;
  } catch {
    return undefined; // it is not there, or not for this machine
  }
  Object.assign(globalThis, dawn.globals); // its constants
  return dawn.create([]);
}

/** The line that installs a software WebGPU adapter on Debian and its kin. */
export const INSTALL_DRIVER = "sudo apt-get update && sudo apt-get install -y mesa-vulkan-drivers";

/** What to do where no adapter is found, on this host. */
export async function gpuAdvice(): Promise<string> {
  return adviceFor(HOST, await findGpu() !== undefined);
}

/**
 * What to do on a host where no adapter is found.
 *
 * @param there whether WebGPU itself is there.
 */
export function adviceFor(host: HostName, there: boolean): string {
  if (host === "browser") {
    return there
      ? "This browser knows WebGPU and has no adapter for it; see that hardware acceleration is " +
        "switched on and the graphics driver current"
      : "This browser has no WebGPU, or keeps it from this page: use a current Chrome, Edge, Firefox or " +
        "Safari, on a page that comes by https or from localhost";
  }
  if (host === "node" && !there) {
    return "Node has WebGPU by a package; add it with\n  npm install webgpu";
  }
  return "With a GPU, install its Vulkan driver; without one, a software adapter comes with\n  " +
    INSTALL_DRIVER;
}
