/**
 * A server for the page, on this machine alone.
 *
 * @module
 */
import { extname, join } from "node:path";

const TYPES: ReadonlyMap<string, string> = new Map([
  [".html", "text/html; charset=utf-8"],
  [".css", "text/css; charset=utf-8"],
  [".js", "text/javascript; charset=utf-8"],
  [".mjs", "text/javascript; charset=utf-8"],
  [".svg", "image/svg+xml"],
  [".png", "image/png"],
  [".wasm", "application/wasm"],
  [".txt", "text/plain; charset=utf-8"],
  [".map", "application/json"],
]);

/** Answers with a file of a folder. */
async function answer(folder: string, request: Request): Promise<Response> {
  const path = decodeURIComponent(new URL(request.url).pathname);
  const name = path.endsWith("/") ? `${path}index.html` : path;
  if (name.split("/").includes("..")) return new Response("no such file", { status: 404 });
  const file = await Deno.readFile(join(folder, name)).catch(() => undefined);
  if (!file) return new Response("no such file", { status: 404 });
  const type = TYPES.get(extname(name)) ?? "application/octet-stream";
  return new Response(file, { headers: { "content-type": type, "cache-control": "no-cache" } });
}

/**
 * Serves a folder.
 *
 * @param port any that is free by default.
 * @param others files that are in memory, by their paths; what is put there later is served too.
 */
export function serveFolder(
  folder: string,
  port = 0,
  others: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map(),
): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port, onListen: () => {} };
  return Deno.serve(options, (request) => {
    const other = others.get(new URL(request.url).pathname);
    return other ? new Response(other) : answer(folder, request);
  });
}
