/**
 * The command line: `deno run jsr:@staticquant/staticquant/cli --help`.
 *
 * @module
 */
import { main } from "./lib/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
