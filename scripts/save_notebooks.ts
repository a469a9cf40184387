/**
 * Executes notebooks and saves them with their outputs: all, or those named.
 *
 * @module
 */
import { resolve } from "node:path";
import { clean, stringify } from "./clean.ts";
import { ensureVulkanDriver } from "./driver.ts";
import { execute } from "./execute.ts";
import { ensureJupyter } from "./jupyter.ts";
import { notebooks } from "./paths.ts";

const jupyter = await ensureJupyter();
if (!jupyter || !await ensureVulkanDriver()) Deno.exit(1);

const failed: string[] = [];
for (const path of Deno.args.length ? Deno.args.map((name) => resolve(name)) : notebooks()) {
  console.log(`── ${path}`);
  const executed = await execute(jupyter, path);
  if (executed) Deno.writeTextFileSync(path, stringify(clean(executed)));
  else failed.push(path);
}
if (failed.length) {
  console.error(`Left as they were, because a cell failed:\n  ${failed.join("\n  ")}`);
  Deno.exit(1);
}
