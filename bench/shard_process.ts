/**
 * The command line, which says in the end what it took: `{"processor": seconds}` as the last line on standard error.
 *
 * @module
 */
import { main } from "../lib/cli/main.ts";
import { processorTime } from "../lib/files/processor_time.ts";

const code = await main(Deno.args);
console.error(JSON.stringify({ processor: processorTime() / 1000 }));
Deno.exit(code);
