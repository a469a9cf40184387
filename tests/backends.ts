/** Registering one test for each backend. */
import { type Device, init } from "../mod.ts";

/** Registers `name` once for the CPU and once for WebGPU, which must be there. */
export function eachBackend(name: string, run: (device: Device) => void | Promise<void>): void {
  for (const device of ["cpu", "webgpu"] as const) {
    Deno.test(`${name} [${device}]`, async () => {
      await init({ device }); // throws, with the line that installs one, where there is no adapter
      await run(device);
    });
  }
}
