/**
 * The command line: `deno run jsr:@staticquant/staticquant/cli --help`.
 *
 * @module
 */
import { main } from "./lib/cli/main.ts";
import { exit, processArguments } from "./lib/files/terminal.ts";

if (import.meta.main) exit(await main(processArguments()));
