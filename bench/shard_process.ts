/**
 * The command line, which says in the end what it took: `{"processor": seconds}` as the last line on standard error.
 *
 * @module
 */
import { main } from "../lib/cli/main.ts";

const code = await main(Deno.args);
const { user, system } = process.cpuUsage();
console.error(JSON.stringify({ processor: (user + system) / 1e6 }));
Deno.exit(code);
