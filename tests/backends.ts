/** Registering one test for each backend, and running on each of its ways. */
import { WebGpuBackend } from "../lib/backend/webgpu/backend.ts";
import { type Backend, backendFor, type Device, init } from "../mod.ts";

/** Registers `name` once for the CPU and once for WebGPU, which must be there. */
export function eachBackend(name: string, run: (device: Device) => void | Promise<void>): void {
  for (const device of ["cpu", "webgpu"] as const) {
    Deno.test(`${name} [${device}]`, async () => {
      await init({ device }); // throws, with the line that installs one, where there is no adapter
      await run(device);
      await idle();
    });
  }
}

/** Waits for what a test left on the queue, so that nothing runs when the process ends. */
async function idle(): Promise<void> {
  const backend = backendFor();
  if (!(backend instanceof WebGpuBackend) || !backend.runtime.usable) return;
  backend.runtime.submit();
  await backend.runtime.device.queue.onSubmittedWorkDone();
}

/** Whether kernels take seconds to compile, as they do in a browser without a GPU. */
const compilesSlowly = "compilesSlowly" in globalThis;

/**
 * The cases that a test tries: all of them, but where kernels compile slowly. There it is so many, the first and the
 * last among them and the others at even distances.
 */
export function few<T>(cases: readonly T[], most: number): readonly T[] {
  if (!compilesSlowly || cases.length <= most) return cases;
  const step = (cases.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => cases[Math.round(i * step)]);
}

/**
 * Runs on the backend as it is and, where kernels use subgroups, once more without them. Where kernels compile slowly
 * the test of all tiles has to do for that.
 */
export async function eachTiling(
  device: Device,
  run: (backend: Backend) => Promise<void>,
): Promise<void> {
  const backend = backendFor(device);
  await run(backend);
  if (!(backend instanceof WebGpuBackend) || backend.subgroupSize === 1) return;
  if (compilesSlowly) return;
  const { subgroupSize } = backend;
  backend.subgroupSize = 1;
  try {
    await run(backend);
  } finally {
    backend.subgroupSize = subgroupSize;
  }
}
