/**
 * The check that only `lib/files` knows which program runs it: no other file of the library names Deno, the process
 * or one of Node's modules, so that Node and browsers can load all of them.
 *
 * @module
 */
import { relative } from "node:path";
import { root } from "./paths.ts";

/** The folder of those that may. */
const FILES = "lib/files/";

/** What belongs to a host. Text in comments is none of it. */
const HOSTS: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\bDeno\s*\??\.(?!customInspect)/, "names Deno"],
  [/["'`]node:/, "names a module of Node's"],
  [/\b(?:process|Buffer|__dirname|require)\s*[.(]/, "names what only Node has"],
  [/^import .* with \{/m, "imports what is no module"],
];

/** A file's text without its comments; strings stay. */
export function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\*[^]*?\*\/|(?<![:\\])\/\/[^\n]*/g,
    (_, string?: string) => string ?? " ",
  );
}

/**
 * What a file has that binds it to a host.
 *
 * @param path from the root.
 */
export function hostsIn(path: string, text: string): string[] {
  if (path.startsWith(FILES)) return [];
  const code = withoutComments(text);
  return HOSTS.filter(([pattern]) => pattern.test(code)).map(([, what]) => `${path} ${what}`);
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

if (import.meta.main) {
  const files = ["mod", "quantization", "onnx", "plot", "cli"].map((name) => `${root}/${name}.ts`);
  for await (const path of sources(`${root}/lib`)) files.push(path);
  const found = files.flatMap((path) =>
    hostsIn(relative(root, path).replaceAll("\\", "/"), Deno.readTextFileSync(path))
  );
  for (const problem of found.sort()) console.error(problem);
  console.log(
    `${files.length} files, ${found.length} bound to a host` +
      (found.length ? `; ask ${FILES} for it, which knows all of them` : ""),
  );
  if (found.length) Deno.exit(1);
}
