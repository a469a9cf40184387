/**
 * Runs the tutorials, as `deno task tutorial` does, on a GPU driver that it installs if it may.
 *
 * @module
 */
import { ensureVulkanDriver } from "./driver.ts";
import { permissions, temporary } from "./permissions.ts";
import { deno } from "./run.ts";

if (!await ensureVulkanDriver()) console.error("Going on without WebGPU, on the CPU.\n");

for (const example of ["examples/static_quantization.ts", "examples/mnist.ts"]) {
  console.log(`── ${example}`);
  if (!(await deno(["run", ...await permissions(), example], { env: temporary() })).ok) {
    console.error(`${example} failed.`);
    Deno.exit(1);
  }
}
