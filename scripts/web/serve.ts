/**
 * Builds the page and serves it on this machine.
 *
 * @module
 */
import { buildPage } from "./build.ts";
import { SITE } from "./folder.ts";
import { serveFolder } from "./server.ts";

const PORT = Number(Deno.args[0] ?? 8740);

await buildPage();
serveFolder(SITE, PORT);
console.log(`The page is at http://localhost:${PORT}/ until you press Ctrl-C.`);
