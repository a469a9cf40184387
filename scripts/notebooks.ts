/**
 * Opens the notebooks in Jupyter with the Deno kernel; arguments go on to Jupyter.
 *
 * @module
 */
import { join } from "node:path";
import { ensureVulkanDriver } from "./driver.ts";
import { ensureNotebookServer, jupyterEnv } from "./jupyter.ts";
import { root } from "./paths.ts";
import { run } from "./run.ts";

const server = await ensureNotebookServer();
if (!server) Deno.exit(1);
if (!await ensureVulkanDriver()) console.error("Going on without WebGPU, on the CPU.\n");

const [program, ...first] = server;
// Jupyter does not serve as root unless told so.
const asRoot = Deno.build.os !== "windows" && Deno.uid() === 0 ? ["--allow-root"] : [];
const args = [...first, ...asRoot, ...Deno.args, join(root, "notebooks")];
Deno.exitCode = (await run(program, args, { env: jupyterEnv() })).ok ? 0 : 1;
